// SPDX-License-Identifier: Apache-2.0
// Globus Timers through the SDK.
import { timers, transfer } from '@globus/sdk';
import assert from 'node:assert/strict';
import { randomUUID } from 'node:crypto';
import { before, beforeEach, describe, test } from 'node:test';
import * as world from './world.mjs';

const { ok, expect } = world;
const { jobs } = timers;

describe('timers', () => {
  let person, headers, places;
  before(async () => {
    person = await world.newPerson();
    headers = world.bearer(await person.token(world.TIMERS));
  });
  beforeEach(async () => {
    places = await world.Places.make(person);
    places.write('file', 'timed');
  });
  const body = () => {
    const { submission_id, ...rest } = places.request([{ source_path: '/file', destination_path: '/file' }]);
    return { DATA_TYPE: 'transfer', ...rest };
  };
  const create = (schedule, more = {}) => timers.timer.create({ headers,
    payload: { timer: { timer_type: 'transfer', name: 'nightly', schedule, body: body(), ...more } } });
  const nextYear = new Date(Date.now() + 200 * 86_400_000).toISOString();

  // Asks for a timer until `condition` holds of its job document.
  async function waitFor(id, condition) {
    for (const deadline = Date.now() + 120_000; Date.now() < deadline; ) {
      const job = await ok(jobs.get(id, { headers }));
      if (condition(job)) return job;
      await new Promise((resume) => setTimeout(resume, 20));
    }
    return assert.fail(`waited in vain for timer ${id}`);
  }

  test('one that is due at once submits its transfer, and has ended', async () => {
    const { timer } = await expect(201, create({ type: 'once' }, { name: 'tonight' }));
    assert.match(timer.job_id, world.UUID);
    assert.deepEqual([timer.name, timer.timer_type, timer.schedule.type], ['tonight', 'transfer', 'once']);
    const job = await waitFor(timer.job_id, (one) => one.status === 'ended');
    assert.deepEqual([job.n_runs, job.n_errors, job.results.data.length], [1, 0, 1]);
    assert.equal(job.results.data[0].status, 202);
    const { DATA } = await ok(transfer.task.getAll({ headers: person.headers,
      query: { filter: 'label:~tonight*' } }));
    assert.deepEqual(DATA.map((task) => task.label), ['tonight, run 1']);
    assert.equal((await places.ended(DATA[0].task_id)).status, 'SUCCEEDED');
    places.assertEqual();
  });

  test('a recurring one is shown, renamed, paused, resumed and removed', async () => {
    const schedule = { type: 'recurring', interval_seconds: 3600, start: nextYear,
      end: { condition: 'iterations', count: 3 } };
    const { timer } = await expect(201, create(schedule));
    const id = timer.job_id;
    assert.deepEqual([timer.number_of_runs, timer.number_of_errors, timer.last_ran_at], [0, 0, null]);
    const job = await ok(jobs.get(id, { headers }));
    assert.deepEqual([job.interval, job.stop_after.n_runs, job.timer_type], [3600, 3, 'transfer']);
    assert.equal(Date.parse(job.next_run), Math.floor(Date.parse(nextYear) / 1000) * 1000);
    assert.equal(job.callback_url, 'https://actions.automate.globus.org/transfer/transfer/run');
    const all = await ok(jobs.getAll({ headers }));
    assert.ok(all.jobs.some((one) => one.job_id === id));

    const renamed = await ok(jobs.patch(id, { payload: { name: 'weekly' }, headers }));
    assert.deepEqual([renamed.job_id, renamed.name], [id, 'weekly']);
    assert.equal(typeof (await ok(jobs.pause(id, { headers }))).message, 'string');
    const paused = await ok(jobs.get(id, { headers }));
    assert.deepEqual([paused.status, paused.inactive_reason.cause], ['inactive', 'user']);
    assert.equal(typeof (await ok(jobs.resume(id, { payload: {}, headers }))).message, 'string');
    assert.notEqual((await ok(jobs.get(id, { headers }))).status, 'inactive');
    assert.equal((await ok(jobs.remove(id, { headers }))).job_id, id);
    assert.equal((await expect(404, jobs.get(id, { headers }))).error.status, 404);
  });

  test('what makes no sense is refused', async () => {
    const recurring = { type: 'recurring', interval_seconds: 3600 };
    for (const answer of [
      create({ type: 'sometimes' }),
      create({ ...recurring, interval_seconds: 1 }),
      create(recurring, { timer_type: 'flow' }),
      create(recurring, { body: { ...body(), DATA: [] } }),
      timers.timer.create({ payload: {}, headers }),
    ]) {
      const document = await expect(422, answer);
      assert.ok(Array.isArray(document.detail), JSON.stringify(document));
      for (const one of document.detail) {
        assert.ok(Array.isArray(one.loc));
        assert.equal(typeof one.msg, 'string');
      }
    }
  });

  test('they are their owner\'s alone', async () => {
    const { timer } = await expect(201, create({ type: 'once', datetime: nextYear }));
    const stranger = await world.newClient('stranger');
    const as = { headers: world.bearer(await stranger.token(world.TIMERS)) };
    for (const id of [timer.job_id, randomUUID()]) {
      for (const answer of [jobs.get(id, as), jobs.pause(id, as), jobs.remove(id, as),
        jobs.patch(id, { ...as, payload: { name: 'mine' } })]) {
        const { error } = await expect(404, answer);
        assert.equal(typeof error.code, 'string');
      }
    }
    assert.deepEqual((await ok(jobs.getAll(as))).jobs, []);
    assert.equal((await ok(jobs.get(timer.job_id, { headers }))).name, 'nightly');
    await expect(401, jobs.getAll({}));
    await expect(403, jobs.getAll({ headers: person.headers }));
    // Nor does a timer reach what its owner does not.
    await expect(422, timers.timer.create({ ...as, payload: { timer: { timer_type: 'transfer', name: 'reach',
      schedule: { type: 'once', datetime: nextYear }, body: body() } } }));
  });
});
