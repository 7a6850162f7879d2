// SPDX-License-Identifier: Apache-2.0
// Endpoints through the SDK: looking, searching, changing, removing.
import { transfer } from '@globus/sdk';
import assert from 'node:assert/strict';
import { randomUUID } from 'node:crypto';
import fs from 'node:fs';
import { before, describe, test } from 'node:test';
import * as world from './world.mjs';

const { ok, refused, isResult } = world;

// Each member of the contract's document with the types that it may have.
const MEMBERS = {
  DATA_TYPE: 'string', id: 'string', display_name: 'string', description: 'string|null',
  organization: 'string|null', department: 'string|null', keywords: 'string|null',
  contact_email: 'string|null', contact_info: 'string|null', info_link: 'string|null',
  user_message: 'string|null', user_message_link: 'string|null', public: 'boolean',
  owner_id: 'string', owner_string: 'string', username: 'string', name: 'string',
  canonical_name: 'string', entity_type: 'string', is_globus_connect: 'boolean',
  gcp_connected: 'boolean|null', gcp_paused: 'boolean|null', globus_connect_setup_key: 'string|null',
  default_directory: 'string|null', subscription_id: 'string|null',
  subscription_admin_verified: 'boolean', force_encryption: 'boolean', disable_verify: 'boolean',
  force_verify: 'boolean', disable_anonymous_writes: 'boolean', mfa_required: 'boolean',
  high_assurance: 'boolean', authentication_timeout_mins: 'number|null',
  authentication_policy_id: 'string|null', https_server: 'string|null', tlsftp_server: 'string|null',
  gcs_manager_url: 'string|null', gcs_version: 'string|null', host_endpoint_id: 'string|null',
  host_endpoint: 'string|null', host_endpoint_display_name: 'string|null', host_path: 'string|null',
  mapped_collection_id: 'string|null', mapped_collection_display_name: 'string|null',
  sharing_target_endpoint: 'string|null', sharing_target_root_path: 'string|null',
  shareable: 'boolean', acl_available: 'boolean', acl_editable: 'boolean', my_effective_roles: 'array',
  in_use: 'boolean', non_functional: 'boolean', non_functional_endpoint_id: 'string|null',
  non_functional_endpoint_display_name: 'string|null', requester_pays: 'boolean',
  network_use: 'string', location: 'string|null', max_concurrency: 'number',
  preferred_concurrency: 'number', max_parallelism: 'number', preferred_parallelism: 'number',
  guest_collection_activity_notification_policy: 'object|null',
  acl_max_expiration_period_mins: 'number|null', auto_delete_timeout: 'number|null',
  skip_auto_delete: 'boolean|null', last_accessed_time: 'string|null',
  restrict_transfers_to_high_assurance: 'string|null', preserve_modtime: 'boolean|null',
  local_user_info_available: 'boolean|null', french_english_bilingual: 'boolean',
  storage_type: 'string|null', activated: 'boolean', expires_in: 'number', expire_time: 'string|null',
  myproxy_server: 'string|null', myproxy_dn: 'string|null', oauth_server: 'string|null',
  s3_url: 'string|null', s3_owner_activated: 'boolean', DATA: 'array',
};

function typeOf(value) {
  if (value === null) return 'null';
  return Array.isArray(value) ? 'array' : typeof value;
}

function isEndpoint(document) {
  for (const [name, types] of Object.entries(MEMBERS)) {
    assert.ok(name in document, `${name} is missing`);
    assert.ok(types.split('|').includes(typeOf(document[name])), `${name}: ${typeOf(document[name])}`);
  }
}

describe('endpoints', () => {
  let person, stranger, place;
  before(async () => {
    [person, stranger] = await Promise.all([world.newPerson(), world.newPerson('stranger')]);
    place = await world.newEndpoint(person, '--description', 'detector of hall 7',
      '--keywords', 'xray,hall7');
  });
  const get = (id, headers = person.headers) => transfer.endpoint.get(id, { headers });
  const search = async (query, headers = person.headers) => {
    const found = await ok(transfer.endpointSearch({ query, headers }));
    assert.equal(found.DATA_TYPE, 'endpoint_list');
    assert.equal(typeof found.has_next_page, 'boolean');
    return found;
  };
  const idsOf = (found) => found.DATA.map((endpoint) => endpoint.id);

  test('an endpoint has every member of the contract', async () => {
    const document = await ok(get(place.id));
    isEndpoint(document);
    assert.equal(document.DATA_TYPE, 'endpoint');
    assert.equal(document.id, place.id);
    assert.equal(document.display_name, place.name);
    assert.equal(document.description, 'detector of hall 7');
    assert.equal(document.keywords, 'xray,hall7');
    assert.equal(document.owner_id, person.id);
    assert.equal(document.owner_string, `${person.id}@clients.auth.globus.org`);
    assert.equal(document.entity_type, 'GCP_mapped_collection');
    assert.deepEqual(document.my_effective_roles, ['administrator']);
    assert.equal(document.expires_in, -1);
    assert.equal(document.DATA[0].DATA_TYPE, 'server');
    assert.ok(!JSON.stringify(document).includes(place.directory), 'tells where the files are');
  });

  test('ids are compared without regard to case', async () => {
    assert.equal((await ok(get(place.id.toUpperCase()))).id, place.id);
  });

  test('what does not exist is EndpointNotFound, in words and with the path asked for', async () => {
    for (const id of [randomUUID(), 'no-uuid']) {
      const document = await refused(404, 'EndpointNotFound', get(id));
      assert.equal(document.resource, `/v0.10/endpoint/${id}`);
    }
  });

  test('search finds by text and by owner', async () => {
    const found = await search({ filter_fulltext: place.name });
    assert.deepEqual(idsOf(found), [place.id]);
    isEndpoint(found.DATA[0]);
    assert.equal(found.offset, 0);
    assert.equal(found.has_next_page, false);
    assert.ok(idsOf(await search({ filter_fulltext: 'HALL7' })).includes(place.id));
    assert.ok(idsOf(await search({ filter_scope: 'my-endpoints' })).includes(place.id));
    assert.ok(idsOf(await search({ filter_owner_id: person.id })).includes(place.id));
    assert.deepEqual(idsOf(await search({ filter_fulltext: randomUUID() })), []);
    assert.ok(!idsOf(await search({ filter_scope: 'my-endpoints' }, stranger.headers)).includes(place.id));
    await refused(400, 'ClientError.BadRequest',
      transfer.endpointSearch({ query: { filter_scope: 'all' }, headers: person.headers }));
    await refused(400, 'ClientError.BadRequest',
      transfer.endpointSearch({ query: { filter_scope: 'no-such' }, headers: person.headers }));
  });

  test('search comes in pages', async () => {
    const owner = await world.newPerson('owner of three');
    const three = [];
    for (let i = 0; i < 3; ++i) three.push((await world.newEndpoint(owner)).id);
    const found = [];
    for (let offset = 0; ; ) {
      const page = await search({ filter_scope: 'my-endpoints', limit: 2, offset }, owner.headers);
      found.push(...idsOf(page));
      offset += page.DATA.length;
      if (!page.has_next_page) break;
      assert.equal(page.DATA.length, 2);
    }
    assert.deepEqual(found.sort(), three.sort());
  });

  test('recently used endpoints are found as such', async () => {
    const places = await world.Places.make(person);
    places.write('file');
    assert.ok(!idsOf(await search({ filter_scope: 'recently-used' })).includes(places.source.id));
    await places.transfer([{ source_path: '/file', destination_path: '/file' }]);
    assert.ok(idsOf(await search({ filter_scope: 'recently-used' })).includes(places.source.id));
    assert.ok(!idsOf(await search({ filter_scope: 'in-use' })).includes(places.source.id));
  });

  test('an owner changes an endpoint, null clears', async () => {
    const { id } = await world.newEndpoint(person, '--description', 'before');
    const update = (payload) => transfer.endpoint.update(id, { payload, headers: person.headers });
    isResult(await ok(update({ display_name: `renamed ${id}`, description: 'after',
      organization: 'the institute', keywords: 'a,b', default_directory: '/' })), 'Updated');
    const after = await ok(get(id));
    assert.equal(after.display_name, `renamed ${id}`);
    assert.equal(after.description, 'after');
    assert.equal(after.organization, 'the institute');
    await ok(update({ description: null }));
    assert.ok(['', null].includes((await ok(get(id))).description));
    assert.equal((await ok(get(id))).organization, 'the institute');
    await refused(400, 'ClientError.BadRequest', update({ display_name: 17 }));
    await refused(400, 'ClientError.BadRequest', update({ display_name: '' }));
  });

  test('an owner removes an endpoint, and the files stay', async () => {
    const { id, directory } = await world.newEndpoint(person);
    world.write(directory, 'kept');
    isResult(await ok(transfer.endpoint.remove(id, { headers: person.headers })), 'Deleted');
    await refused(404, 'EndpointNotFound', get(id));
    assert.equal(fs.readFileSync(`${directory}/kept`, 'utf8'), 'content');
  });

  test('a stranger neither changes nor removes it', async () => {
    const { headers } = stranger;
    for (const answer of [
      transfer.endpoint.update(place.id, { payload: { description: 'mine now' }, headers }),
      transfer.endpoint.remove(place.id, { headers }),
    ]) {
      assert.ok([403, 404].includes((await answer).status));
    }
    assert.equal((await ok(get(place.id))).description, 'detector of hall 7');
  });

  test('a client makes an endpoint of its own', async () => {
    const response = await fetch(`${world.url}v0.10/endpoint`, { method: 'POST',
      headers: { ...person.headers, 'Content-Type': 'application/json' },
      body: JSON.stringify({ DATA_TYPE: 'endpoint', is_globus_connect: true,
        display_name: `made ${randomUUID()}`, public: false }) });
    const made = await world.expect(201, response);
    isResult(made, 'Created', 'endpoint_create_result');
    assert.match(made.id, world.UUID);
    assert.ok('globus_connect_setup_key' in made);
    assert.equal((await ok(get(made.id))).owner_id, person.id);
    const { headers } = person;
    await world.expect(202,
      transfer.fileOperations.mkdir(made.id, { payload: { path: '/d' }, headers }));
  });
});
