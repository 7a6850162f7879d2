// SPDX-License-Identifier: Apache-2.0
// Pause rules and the lists of those who look after endpoints, through the SDK.
import { transfer } from '@globus/sdk';
import assert from 'node:assert/strict';
import { before, beforeEach, describe, test } from 'node:test';
import * as world from './world.mjs';

const { ok, expect, refused, isResult } = world;
const { pauseRule, task: managed } = transfer.endpointManager;
const FILE = [{ source_path: '/file', destination_path: '/file' }];

describe('those who look after endpoints', () => {
  let person, stranger, headers, places;
  before(async () => {
    [person, stranger] = await Promise.all([world.newPerson(), world.newPerson('stranger')]);
    headers = person.headers;
  });
  beforeEach(async () => {
    places = await world.Places.make(person);
    places.write('file');
  });
  const pause = async (what) => {
    const made = await pauseRule.create({ headers, payload: { DATA_TYPE: 'pause_rule',
      endpoint_id: places.target.id, message: 'the disks are moved', ...what } });
    assert.ok(made.ok, `${made.status} ${await made.clone().text()}`);
    const { id } = await made.json();
    assert.match(id, world.UUID);
    return id;
  };

  test('hold transfers back with a rule, and let them go on', async () => {
    const id = await pause({ pause_task_transfer_write: true });
    const { task_id } = await places.submit(FILE);
    const task = await world.waitFor(task_id, headers, ({ is_paused }) => is_paused);
    assert.equal(task.status, 'ACTIVE');
    const info = await ok(transfer.task.getPauseInfo(task_id, { headers }));
    assert.deepEqual(info.pause_rules.map((rule) => [rule.id, rule.message]), [[id, 'the disks are moved']]);
    isResult(await ok(pauseRule.remove(id, { headers })), 'Deleted');
    const after = await places.ended(task_id);
    assert.deepEqual([after.status, after.is_paused], ['SUCCEEDED', false]);
    places.assertEqual();
  });

  test('hold operations on files back', async () => {
    const id = await pause({ pause_mkdir: true });
    const mkdir = () => transfer.fileOperations.mkdir(places.target.id, { headers, payload: { path: '/d' } });
    const told = await refused(409, 'OperationPaused', mkdir());
    assert.match(told.message, /the disks are moved/);
    await ok(transfer.fileOperations.ls(places.target.id, { query: { path: '/' }, headers }));
    await ok(pauseRule.remove(id, { headers }));
    await expect(202, mkdir());
  });

  test('see rules and tasks of their own endpoints only', async () => {
    const id = await pause({ pause_ls: true });
    const list = await ok(pauseRule.getAll({ headers }));
    assert.equal(list.DATA_TYPE, 'pause_rule_list');
    assert.ok(list.DATA.some((rule) => rule.id === id));
    assert.deepEqual((await ok(pauseRule.getAll({ headers: stranger.headers }))).DATA, []);
    for (const answer of [pauseRule.get(id, { headers: stranger.headers }),
      pauseRule.remove(id, { headers: stranger.headers })])
      assert.equal((await answer).status, 404);
    const { task_id } = await places.transfer(FILE);
    assert.equal((await ok(managed.get(task_id, { headers }))).task_id, task_id);
    assert.equal((await managed.get(task_id, { headers: stranger.headers })).status, 404);
  });
});
