// SPDX-License-Identifier: Apache-2.0
// Access rules, roles and guest collections through the SDK: what others may do, and what not.
import { transfer } from '@globus/sdk';
import assert from 'node:assert/strict';
import { randomUUID } from 'node:crypto';
import fs from 'node:fs';
import { before, beforeEach, describe, test } from 'node:test';
import * as world from './world.mjs';

const { ok, expect, refused, isResult } = world;
const { access, roles, endpoint, fileOperations } = transfer;

describe('permission', () => {
  let owner, guest, place;
  before(async () => {
    [owner, guest] = await Promise.all([world.newPerson('owner'), world.newPerson('guest')]);
  });
  beforeEach(async () => {
    place = await world.newEndpoint(owner);
    world.write(place.directory, 'shared/run 1/file', 'for all to read');
    world.write(place.directory, 'private/file', 'secret');
  });
  const ls = (path, { headers } = guest, id = place.id) => fileOperations.ls(id, { query: { path }, headers });
  const mkdir = (path, { headers } = guest, id = place.id) =>
    fileOperations.mkdir(id, { payload: { path }, headers });
  const share = async (path, permissions, more = {}, id = place.id) => {
    const made = await expect(201, access.create(id, { headers: owner.headers, payload: {
      DATA_TYPE: 'access', principal_type: 'identity', principal: guest.id, path, permissions, ...more } }));
    isResult(made, 'Created', 'access_create_result');
    assert.match(made.access_id, world.UUID);
    return made.access_id;
  };

  describe('access rules', () => {
    test('are made, listed, changed and removed', async () => {
      const id = await share('/shared/', 'r');
      const rule = await ok(access.get({ endpoint_xid: place.id, id }, { headers: owner.headers }));
      assert.deepEqual([rule.DATA_TYPE, rule.id, rule.principal_type, rule.principal, rule.path, rule.permissions],
        ['access', id, 'identity', guest.id, '/shared/', 'r']);
      for (const name of ['expiration_date', 'role_id', 'role_type']) assert.equal(rule[name], null, name);
      assert.match(rule.create_time, world.TIME);
      const list = await ok(access.getAll(place.id, { headers: owner.headers }));
      assert.deepEqual([list.DATA_TYPE, list.endpoint], ['access_list', place.id]);
      assert.ok(list.DATA.some((one) => one.id === id));
      isResult(await ok(access.update({ endpoint_xid: place.id, id }, { headers: owner.headers,
        payload: { DATA_TYPE: 'access', permissions: 'rw' } })), 'Updated');
      assert.equal((await ok(access.get({ endpoint_xid: place.id, id }, { headers: owner.headers }))).permissions, 'rw');
      isResult(await ok(access.remove({ endpoint_xid: place.id, id }, { headers: owner.headers })), 'Deleted');
      await refused(404, 'AccessRuleNotFound',
        access.get({ endpoint_xid: place.id, id }, { headers: owner.headers }));
    });

    test('open a directory to read, that directory and no more, until they are taken away', async () => {
      await refused(404, 'EndpointNotFound', ls('/shared/'));
      const id = await share('/shared/', 'r');
      assert.equal((await ok(endpoint.get(place.id, { headers: guest.headers }))).id, place.id);
      assert.deepEqual((await ok(ls('/shared/'))).DATA.map((one) => one.name), ['run 1']);
      assert.equal((await ok(ls('/shared/run 1'))).total, 1);
      for (const path of ['/private/', '/private', '/shared2/', '/shared/../private/']) {
        const answer = await ls(path);
        assert.ok([400, 403].includes(answer.status), `${path}: ${answer.status}`);
        assert.ok(!(await answer.text()).includes('"file"'));
      }
      await refused(403, 'EndpointPermissionDenied', mkdir('/shared/new/'));
      await ok(access.remove({ endpoint_xid: place.id, id }, { headers: owner.headers }));
      await refused(404, 'EndpointNotFound', ls('/shared/'));
    });

    test('open a directory to write', async () => {
      await share('/shared/', 'rw');
      await expect(202, mkdir('/shared/new/'));
      assert.ok(fs.existsSync(`${place.directory}/shared/new`));
      await refused(403, 'EndpointPermissionDenied', mkdir('/private/new/'));
    });

    test('hold for transfers', async () => {
      await share('/shared/', 'r');
      const own = await world.Places.make(guest);
      const from = (path) => own.submit([{ source_path: path, destination_path: '/got' }],
        { source_endpoint: place.id });
      const task = await own.ended((await from('/shared/run 1/file')).task_id);
      assert.equal(task.status, 'SUCCEEDED');
      assert.equal(fs.readFileSync(`${own.target.directory}/got`, 'utf8'), 'for all to read');
      for (const [source_path, destination_path, more] of [
        ['/private/file', '/secret', { source_endpoint: place.id }],
        ['/file', '/shared/file', { destination_endpoint: place.id }]]) {
        own.write('file');
        const payload = own.request([{ source_path, destination_path }], more);
        const answer = await transfer.taskSubmission.submitTransfer({ payload, headers: guest.headers });
        assert.ok([202, 403].includes(answer.status), `${answer.status}`);
        if (answer.status !== 202) continue;
        assert.equal((await own.ended((await answer.json()).task_id)).status, 'FAILED');
      }
      assert.ok(!fs.existsSync(`${own.target.directory}/secret`));
      assert.deepEqual(fs.readdirSync(`${place.directory}/shared`), ['run 1']);
    });

    test('are for who may manage them', async () => {
      await share('/shared/', 'r');
      for (const answer of [
        access.getAll(place.id, { headers: guest.headers }),
        access.create(place.id, { headers: guest.headers, payload: { DATA_TYPE: 'access',
          principal_type: 'identity', principal: guest.id, path: '/', permissions: 'rw' } })])
        await refused(403, 'PermissionDenied', answer);
      await refused(400, 'ClientError.BadRequest', access.create(place.id, { headers: owner.headers,
        payload: { DATA_TYPE: 'access', principal_type: 'identity', principal: guest.id, path: '/', permissions: 'x' } }));
    });
  });

  describe('roles', () => {
    const create = (role, principal = guest.id) => roles.create(place.id, { headers: owner.headers,
      payload: { DATA_TYPE: 'role', principal_type: 'identity', principal, role } });

    test('are made, listed and removed', async () => {
      const made = await expect(201, create('access_manager'));
      assert.deepEqual([made.DATA_TYPE, made.principal_type, made.principal, made.role],
        ['role', 'identity', guest.id, 'access_manager']);
      const list = await ok(roles.getAll(place.id, { headers: owner.headers }));
      assert.equal(list.DATA_TYPE, 'role_list');
      assert.ok(list.DATA.some((one) => one.id === made.id));
      const ids = { endpoint_id: place.id, collection_id: place.id, role_id: made.id };
      assert.equal((await ok(roles.get(ids, { headers: owner.headers }))).role, 'access_manager');
      isResult(await ok(roles.remove(ids, { headers: owner.headers })), 'Deleted');
      await refused(404, 'RoleNotFound', roles.get(ids, { headers: owner.headers }));
      await refused(400, 'ClientError.BadRequest', create('emperor'));
    });

    test('an administrator may change the endpoint, nobody else', async () => {
      const update = () => endpoint.update(place.id, { payload: { description: 'changed' }, headers: guest.headers });
      await refused(404, 'EndpointNotFound', update());
      await expect(201, create('administrator'));
      isResult(await ok(update()), 'Updated');
      const { my_effective_roles } = await ok(endpoint.get(place.id, { headers: guest.headers }));
      assert.ok(my_effective_roles.includes('administrator'));
      await ok(ls('/private/'));
    });

    test('an access manager may give access', async () => {
      await expect(201, create('access_manager'));
      const third = await world.newPerson('third');
      await expect(201, access.create(place.id, { headers: guest.headers, payload: { DATA_TYPE: 'access',
        principal_type: 'identity', principal: third.id, path: '/shared/', permissions: 'r' } }));
      await ok(ls('/shared/', third));
      await refused(403, 'PermissionDenied', endpoint.update(place.id,
        { payload: { description: 'changed' }, headers: guest.headers }));
    });
  });

  describe('a guest collection', () => {
    const make = async (more = {}) => {
      const made = await expect(201, endpoint.create({ headers: owner.headers, payload: {
        host_endpoint_id: place.id, host_path: '/shared/', display_name: `share ${randomUUID()}`, ...more } }));
      isResult(made, 'Created', 'endpoint_create_result');
      return made.id;
    };

    test('is a sub-directory that looks like an endpoint', async () => {
      const id = await make({ description: 'of run 1' });
      const document = await ok(endpoint.get(id, { headers: owner.headers }));
      assert.deepEqual([document.entity_type, document.description, document.owner_id],
        ['GCP_guest_collection', 'of run 1', owner.id]);
      assert.equal(document.host_endpoint_id ?? document.mapped_collection_id, place.id);
      assert.deepEqual((await ok(ls('/', owner, id))).DATA.map((one) => one.name), ['run 1']);
      await expect(202, mkdir('/in it/', owner, id));
      assert.ok(fs.existsSync(`${place.directory}/shared/in it`));
      fs.symlinkSync('../private', `${place.directory}/shared/way-out`);
      for (const path of ['/../private/', '/way-out/'])
        assert.notEqual((await ls(path, owner, id)).status, 200, path);
      const list = await ok(fetch(`${world.url}v0.10/endpoint/${place.id}/my_shared_endpoint_list`, owner));
      assert.ok(list.DATA.some((one) => one.id === id));
      isResult(await ok(endpoint.remove(id, { headers: owner.headers })), 'Deleted');
      assert.ok(fs.existsSync(`${place.directory}/shared/run 1/file`));
    });

    test('has rules of its own, relative to its root', async () => {
      const id = await make();
      await refused(404, 'EndpointNotFound', ls('/', guest, id));
      await share('/run 1/', 'r', {}, id);
      assert.deepEqual((await ok(ls('/run 1/', guest, id))).DATA.map((one) => one.name), ['file']);
      await refused(404, 'EndpointNotFound', ls('/shared/run 1/'));
      const found = await ok(transfer.endpointSearch({ query: { filter_scope: 'shared-with-me' }, headers: guest.headers }));
      assert.ok(found.DATA.some((one) => one.id === id));
    });
  });
});
