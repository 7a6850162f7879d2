// SPDX-License-Identifier: Apache-2.0
// Bookmarks through the SDK.
import { transfer } from '@globus/sdk';
import assert from 'node:assert/strict';
import { randomUUID } from 'node:crypto';
import { before, describe, test } from 'node:test';
import * as world from './world.mjs';

const { ok, expect, refused, isResult } = world;
const { collectionBookmarks: bookmarks } = transfer;

describe('bookmarks', () => {
  let person, stranger, place;
  before(async () => {
    [person, stranger] = await Promise.all([world.newPerson(), world.newPerson('stranger')]);
    place = await world.newEndpoint(person);
  });
  const create = (name, path = '/data/') => bookmarks.create({ headers: person.headers,
    payload: { name, endpoint_id: place.id, path } });
  const get = (id, { headers } = person) => bookmarks.get(id, { headers });

  test('are made, listed, renamed and removed', async () => {
    const made = await expect(201, create('runs of today'));
    assert.match(made.id, world.UUID);
    assert.deepEqual([made.DATA_TYPE, made.name, made.endpoint_id, made.path, made.pinned],
      ['bookmark', 'runs of today', place.id, '/data/', false]);
    assert.deepEqual(await ok(get(made.id)), made);
    const list = await ok(bookmarks.getAll({ headers: person.headers }));
    assert.equal(list.DATA_TYPE, 'bookmark_list');
    assert.ok(list.DATA.some((one) => one.id === made.id));
    const renamed = await ok(bookmarks.update(made.id, { payload: { name: 'Runs' }, headers: person.headers }));
    assert.deepEqual([renamed.id, renamed.name, renamed.path], [made.id, 'Runs', '/data/']);
    isResult(await ok(bookmarks.remove(made.id, { headers: person.headers })), 'Deleted');
    await refused(404, 'BookmarkNotFound', get(made.id));
  });

  test('have names that no other has, in their own case', async () => {
    await expect(201, create('one name'));
    await expect(201, create('One Name'));
    await refused(409, 'Exists', create('one name'));
  });

  test('are their owner\'s alone', async () => {
    const { id } = await expect(201, create('private'));
    const { headers } = stranger;
    for (const answer of [get(id, stranger), bookmarks.remove(id, { headers }),
      bookmarks.update(id, { payload: { name: 'mine' }, headers }), get(randomUUID(), stranger), get('no-uuid')])
      await refused(404, 'BookmarkNotFound', answer);
    assert.deepEqual((await ok(bookmarks.getAll({ headers }))).DATA, []);
    assert.equal((await ok(get(id))).name, 'private');
  });

  test('lead to endpoints that exist', async () => {
    await refused(404, 'EndpointNotFound', bookmarks.create({ headers: person.headers,
      payload: { name: 'nowhere', endpoint_id: randomUUID(), path: '/' } }));
    await refused(400, 'ClientError.BadRequest', bookmarks.create({ headers: person.headers,
      payload: { endpoint_id: place.id, path: '/' } }));
  });
});
