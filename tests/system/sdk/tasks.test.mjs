// SPDX-License-Identifier: Apache-2.0
// Looking after tasks through the SDK.
import { transfer } from '@globus/sdk';
import assert from 'node:assert/strict';
import { randomUUID } from 'node:crypto';
import { before, beforeEach, describe, test } from 'node:test';
import * as world from './world.mjs';

const { ok, refused, isResult } = world;

// Each member of the contract's document with the types that it may have.
const MEMBERS = {
  DATA_TYPE: 'string', task_id: 'string', type: 'string', status: 'string', label: 'string|null',
  owner_id: 'string', username: 'string', request_time: 'string', completion_time: 'string|null',
  deadline: 'string', source_endpoint: 'string|null', source_endpoint_id: 'string',
  source_endpoint_display_name: 'string', destination_endpoint: 'string|null',
  destination_endpoint_id: 'string|null', destination_endpoint_display_name: 'string|null',
  sync_level: 'number|null', encrypt_data: 'boolean', verify_checksum: 'boolean',
  preserve_timestamp: 'boolean', delete_destination_extra: 'boolean', skip_source_errors: 'boolean',
  fail_on_quota_errors: 'boolean', recursive_symlinks: 'string|null', filter_rules: 'array|null',
  command: 'string', history_deleted: 'boolean', files: 'number', directories: 'number',
  symlinks: 'number', files_skipped: 'number', files_transferred: 'number',
  bytes_transferred: 'number', bytes_checksummed: 'number', effective_bytes_per_second: 'number',
  faults: 'number', subtasks_total: 'number', subtasks_pending: 'number', subtasks_retrying: 'number',
  subtasks_succeeded: 'number', subtasks_expired: 'number', subtasks_canceled: 'number',
  subtasks_failed: 'number', subtasks_skipped_errors: 'number', is_ok: 'boolean|null',
  is_paused: 'boolean', nice_status: 'string|null', nice_status_short_description: 'string|null',
  nice_status_details: 'string|null', nice_status_expires_in: 'number|null',
  fatal_error: 'object|null', canceled_by_admin: 'string|null', canceled_by_admin_message: 'string|null',
  source_local_user: 'string|null', source_local_user_status: 'string|null',
  destination_local_user: 'string|null', destination_local_user_status: 'string|null',
  source_base_path: 'string|null', destination_base_path: 'string|null',
  source_host_endpoint_id: 'string|null', source_mapped_collection_id: 'string|null',
  destination_host_endpoint_id: 'string|null', destination_mapped_collection_id: 'string|null',
};

function typeOf(value) {
  if (value === null) return 'null';
  return Array.isArray(value) ? 'array' : typeof value;
}

function isTask(document) {
  for (const [name, types] of Object.entries(MEMBERS)) {
    assert.ok(name in document, `${name} is missing`);
    assert.ok(types.split('|').includes(typeOf(document[name])), `${name}: ${typeOf(document[name])}`);
  }
}

const MISSING = [{ source_path: '/missing', destination_path: '/missing' }];
const FILE = [{ source_path: '/file', destination_path: '/file' }];

describe('tasks', () => {
  let person, headers, places;
  before(async () => {
    person = await world.newPerson();
    headers = person.headers;
  });
  beforeEach(async () => { places = await world.Places.make(person); });
  const get = (id, as = headers) => transfer.task.get(id, { headers: as });
  const events = async (id, query = {}) => {
    const list = await ok(transfer.task.getEventList(id, { query, headers }));
    assert.equal(list.DATA_TYPE, 'event_list');
    for (const event of list.DATA) {
      assert.equal(event.DATA_TYPE, 'event');
      assert.equal(typeof event.details, 'string');
      assert.equal(typeof event.is_error, 'boolean');
      assert.match(event.time, world.TIME);
    }
    return list;
  };
  const cancel = (id) => transfer.task.cancel(id, { headers });
  // A task that takes half a minute, unless somebody ends it.
  const endless = async (more = () => ({})) => {
    places = await world.Places.make(person, '--bandwidth', '512KiB');
    places.write('file', Buffer.alloc(16 << 20, 'x'));
    return (await places.submit(FILE, more())).task_id;
  };

  test('a task that has ended has every member of the contract', async () => {
    places.write('file', 'four');
    const task = await places.transfer(FILE, { label: 'a label', verify_checksum: true });
    isTask(task);
    assert.equal(task.DATA_TYPE, 'task');
    assert.deepEqual([task.type, task.status, task.label], ['TRANSFER', 'SUCCEEDED', 'a label']);
    assert.equal(task.owner_id, person.id);
    for (const name of ['request_time', 'completion_time', 'deadline']) assert.match(task[name], world.TIME);
    assert.equal(Date.parse(task.deadline) - Date.parse(task.request_time), 86_400_000);
    assert.deepEqual([task.source_endpoint_id, task.destination_endpoint_id],
      [places.source.id, places.target.id]);
    assert.deepEqual([task.source_endpoint_display_name, task.destination_endpoint_display_name],
      [places.source.name, places.target.name]);
    assert.deepEqual([task.is_ok, task.nice_status, task.nice_status_expires_in, task.fatal_error],
      [null, null, null, null]);
    assert.deepEqual([task.files, task.directories, task.files_transferred, task.bytes_transferred],
      [1, 0, 1, 4]);
    assert.deepEqual([task.subtasks_total, task.subtasks_succeeded, task.subtasks_pending], [1, 1, 0]);
    assert.equal(task.command, 'API 0.10');
  });

  test('events come newest first, in pages', async () => {
    places.write('file');
    const { task_id } = await places.transfer(FILE);
    const all = await events(task_id, { limit: 100 });
    const codes = all.DATA.map((event) => event.code);
    assert.equal(codes.at(0), 'SUCCEEDED');
    assert.equal(codes.at(-1), 'STARTED');
    assert.equal(all.total, codes.length);
    const second = await events(task_id, { limit: 1, offset: 1 });
    assert.deepEqual(second.DATA, [all.DATA[1]]);
    assert.deepEqual([second.limit, second.offset, second.total], [1, 1, all.total]);
    assert.deepEqual((await events(task_id, { filter: 'is_error:1' })).DATA, []);
    assert.equal((await events(task_id, { filter: '' })).total, all.total);
  });

  test('a task in trouble stays active and says what is wrong', async () => {
    places = await world.Places.make(person, '--daily-quota', '5');
    places.write('file', 'fills it');
    await places.transfer(FILE);
    const { task_id } = await places.submit([{ source_path: '/file', destination_path: '/again' }]);
    const task = await world.waitFor(task_id, headers, ({ is_ok }) => is_ok !== true);
    isTask(task);
    assert.equal(task.status, 'ACTIVE', JSON.stringify(task));
    assert.equal(task.completion_time, null);
    assert.equal(task.is_ok, false);
    assert.match(task.nice_status, /^[A-Z_]+$/);
    assert.equal(typeof task.nice_status_short_description, 'string');
    await ok(cancel(task_id));
    assert.equal((await places.ended(task_id)).fatal_error.code, 'CANCELED');
  });

  test('a source that is not there ends a task', async () => {
    const task = await places.transfer(MISSING);
    assert.deepEqual([task.status, task.fatal_error.code], ['FAILED', 'FILE_NOT_FOUND']);
    assert.equal(typeof task.fatal_error.description, 'string');
    assert.ok((await events(task.task_id)).DATA.some((event) => event.is_error));
  });

  test('a task is cancelled', async () => {
    const task_id = await endless();
    assert.deepEqual(await world.waitFor(task_id, headers, (task) => task.nice_status !== null).then(
      ({ status, is_ok, completion_time }) => [status, is_ok, completion_time]), ['ACTIVE', true, null]);
    const answer = await ok(cancel(task_id));
    assert.ok(['Canceled', 'CancelAccepted'].includes(answer.code), answer.code);
    const task = await places.ended(task_id);
    assert.equal(task.status, 'FAILED');
    assert.equal(task.fatal_error.code, 'CANCELED');
    assert.equal(typeof task.fatal_error.description, 'string');
    assert.equal((await events(task_id)).DATA[0].code, 'CANCELED');
    isResult(await ok(cancel(task_id)), 'TaskComplete');
  });

  test('a deadline ends a task', async () => {
    const task_id = await endless(() => ({ deadline: new Date(Date.now() + 2500).toISOString() }));
    const task = await places.ended(task_id);
    assert.equal(task.status, 'FAILED');
    assert.equal(typeof task.fatal_error.code, 'string');
    assert.ok((await events(task_id)).DATA.some((event) => event.code === 'EXPIRED'));
  });

  test('label and deadline change while a task runs, and not after', async () => {
    const task_id = await endless();
    const update = (payload) => transfer.task.update(task_id, { payload, headers });
    isResult(await ok(update({ DATA_TYPE: 'task', label: 'renamed', deadline: '2031-01-01 00:00:00' })), 'Updated');
    const task = await ok(get(task_id));
    assert.deepEqual([task.label, task.deadline], ['renamed', '2031-01-01T00:00:00+00:00']);
    await refused(400, 'ClientError.BadRequest', update({ deadline: 'soon' }));
    await ok(cancel(task_id));
    await places.ended(task_id);
    await refused(409, 'Conflict', update({ label: 'too late' }));
  });

  test('successful transfers tell what was moved', async () => {
    places.write('tree/a', 'aa');
    places.write('tree/b', '');
    const { task_id } = await places.transfer(
      [{ source_path: '/tree', destination_path: '/copy' }], { verify_checksum: true });
    const list = await ok(transfer.task.getSuccessfulTransfers(task_id, { headers }));
    assert.equal(list.DATA_TYPE, 'successful_transfers');
    assert.equal(list.next_marker, null);
    const rows = list.DATA.sort((one, other) => (one.source_path < other.source_path ? -1 : 1));
    assert.deepEqual(rows.map((row) => [row.DATA_TYPE, row.source_path, row.destination_path, row.size]), [
      ['successful_transfer', '/tree/a', '/copy/a', 2], ['successful_transfer', '/tree/b', '/copy/b', 0]]);
    for (const row of rows) assert.equal(typeof row.checksum_algorithm, 'string');
    const marked = await ok(transfer.task.getSuccessfulTransfers(task_id,
      { query: { marker: list.marker }, headers }));
    assert.equal(marked.DATA.length, 2);
  });

  test('skipped errors tell what was left out', async () => {
    places.write('file');
    const task = await places.transfer([...FILE, ...MISSING], { skip_source_errors: true });
    assert.equal(task.status, 'SUCCEEDED');
    assert.equal(task.subtasks_skipped_errors, 1);
    const list = await ok(transfer.task.getSkippedErrors(task.task_id, { headers }));
    assert.equal(list.DATA_TYPE, 'skipped_errors');
    assert.equal(list.next_marker, null);
    const [error] = list.DATA;
    assert.equal(list.DATA.length, 1);
    assert.deepEqual([error.DATA_TYPE, error.error_code, error.source_path, error.destination_path],
      ['skipped_error', 'FILE_NOT_FOUND', '/missing', '/missing']);
    assert.equal(typeof error.error_details, 'string');
    assert.match(error.error_time, world.TIME);
    for (const name of ['is_directory', 'is_symlink', 'is_delete_destination_extra'])
      assert.equal(typeof error[name], 'boolean');
  });

  test('the list filters, orders, and comes in pages', async () => {
    const owner = await world.newPerson('lister');
    const own = await world.Places.make(owner);
    own.write('file');
    const ids = [];
    for (const label of ['first', 'second', 'third'])
      ids.push((await own.transfer(FILE, { label })).task_id);
    const deleted = (await own.delete(['/file'], { label: 'fourth' })).task_id;
    const list = async (query = {}) => {
      const answer = await ok(transfer.task.getAll({ query, headers: owner.headers }));
      assert.equal(answer.DATA_TYPE, 'task_list');
      assert.equal(answer.length, answer.DATA.length);
      return answer;
    };
    const found = async (query) => (await list(query)).DATA.map((task) => task.task_id);
    const all = await list();
    assert.deepEqual([all.total, all.offset], [4, 0]);
    all.DATA.forEach(isTask);
    assert.deepEqual((await found({ filter: 'type:TRANSFER' })).sort(), [...ids].sort());
    assert.deepEqual(await found({ filter: 'type:DELETE' }), [deleted]);
    assert.deepEqual(await found({ filter: 'status:SUCCEEDED/type:TRANSFER/label:=second' }), [ids[1]]);
    assert.deepEqual(await found({ filter: 'label:~*ir*', orderby: 'label DESC' }), [ids[2], ids[0]]);
    assert.deepEqual(await found({ filter: 'label:!first,!second,!fourth' }), [ids[2]]);
    assert.deepEqual(await found({ filter: `task_id:${ids[0]}` }), [ids[0]]);
    assert.deepEqual(await found({ filter: 'status:ACTIVE,INACTIVE' }), []);
    assert.deepEqual(await found({ filter: 'request_time:2001-01-01 00:00:00,2002-01-01' }), []);
    assert.equal((await found({ filter: 'request_time:2021-01-01 00:00:00,' })).length, 4);
    assert.deepEqual(await found({ orderby: 'label' }), [ids[0], deleted, ids[1], ids[2]]);
    const page = await list({ orderby: 'label', limit: 2, offset: 1 });
    assert.deepEqual(page.DATA.map((task) => task.label), ['fourth', 'second']);
    assert.deepEqual([page.limit, page.offset, page.total], [2, 1, 4]);
    const brief = await list({ fields: 'task_id', filter: 'type:DELETE' });
    assert.deepEqual(Object.keys(brief.DATA[0]).sort(), ['DATA_TYPE', 'task_id']);
    for (const query of [{ filter: 'colour:red' }, { orderby: 'colour' }, { limit: 'many' }, { filter: 'status:LOST' }])
      await refused(400, 'ClientError.BadRequest', transfer.task.getAll({ query, headers }));
  });

  test('pause_info of a task that nobody paused', async () => {
    places.write('file');
    const { task_id } = await places.transfer(FILE);
    const info = await ok(transfer.task.getPauseInfo(task_id, { headers }));
    assert.equal(info.DATA_TYPE, 'pause_info_limited');
    assert.deepEqual(info.pause_rules, []);
    for (const name of ['source_pause_message', 'destination_pause_message'])
      assert.equal(info[name], null);
  });

  test('a stranger sees as little of a task as of one that does not exist', async () => {
    places.write('file');
    const { task_id } = await places.transfer(FILE);
    const stranger = await world.newPerson('stranger');
    const masked = async (id) => {
      const answers = await Promise.all([get(id, stranger.headers),
        transfer.task.cancel(id, { headers: stranger.headers }),
        transfer.task.update(id, { payload: { label: 'mine' }, headers: stranger.headers }),
        transfer.task.getEventList(id, { headers: stranger.headers }),
        transfer.task.getSuccessfulTransfers(id, { headers: stranger.headers }),
        transfer.task.getSkippedErrors(id, { headers: stranger.headers })]);
      return Promise.all(answers.map(async (answer) => {
        const document = await refused(404, 'ClientError.NotFound', answer);
        return document.message.replaceAll(id, 'ID');
      }));
    };
    assert.deepEqual(await masked(task_id), await masked(randomUUID()));
    assert.deepEqual((await ok(transfer.task.getAll({ headers: stranger.headers }))).DATA, []);
  });
});

describe('errors', () => {
  test('no token, a made-up token and one of another service are told apart', async () => {
    const client = await world.newClient();
    const list = (headers) => transfer.task.getAll({ headers });
    await refused(401, 'ClientError.AuthenticationFailed', list({}));
    await refused(401, 'ClientError.AuthenticationFailed', list(world.bearer('made-up')));
    await refused(401, 'ClientError.AuthenticationFailed', list({ Authorization: 'Basic YTpi' }));
    const answer = await world.expect(403, list(world.bearer(await client.token('openid'))));
    assert.equal(answer.code, 'ConsentRequired');
    assert.deepEqual(answer.required_scopes, [world.TRANSFER]);
    assert.deepEqual(answer.authorization_parameters.required_scopes, [world.TRANSFER]);
    // The scheme may be written in any case.
    await ok(list({ Authorization: `bEaReR ${await client.token(world.TRANSFER)}` }));
  });

  test('a route that does not exist is a 404, also of the parts of Globus that are not here', async () => {
    const { headers } = await world.newPerson();
    for (const answer of [transfer.tunnel.getAll({ headers }), transfer.tunnel.get(randomUUID(), { headers }),
      transfer.streamAccessPoint.getAll({ headers })]) {
      const document = await world.expect(404, answer);
      assert.equal(typeof document.code, 'string');
      assert.equal(typeof document.message, 'string');
    }
  });
});
