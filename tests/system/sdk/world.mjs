// SPDX-License-Identifier: Apache-2.0
// What the tests of the SDK share: the running service, people and endpoints, and short words for
// calls. The environment points the SDK at the service (sdk_test.py).
import { auth, transfer } from '@globus/sdk';
import assert from 'node:assert/strict';
import { execFile } from 'node:child_process';
import { randomUUID } from 'node:crypto';
import fs from 'node:fs';
import path from 'node:path';
import { promisify } from 'node:util';

export const TRANSFER = 'urn:globus:auth:scope:transfer.api.globus.org:all';
export const TIMERS =
  'https://auth.globus.org/scopes/524230d7-ea86-4a52-8312-86065a9e0417/timer';
export const TRANSFER_SERVER = 'transfer.api.globus.org';
export const TIMERS_SERVER = '524230d7-ea86-4a52-8312-86065a9e0417';
export const VIEW_IDENTITIES = 'urn:globus:auth:scope:auth.globus.org:view_identity_set';
export const url = process.env.GLOBUS_SDK_SERVICE_URL_TRANSFER;
export const scratch = process.env.WHERRY_SCRATCH;
export const UUID = /^[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$/;
export const TIME = /^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\+00:00$/;
export const FILE_TIME = /^\d{4}-\d\d-\d\d \d\d:\d\d:\d\d\+00:00$/;

// Runs a command of wherry on the service's own host, beside it, that must succeed; answers what it
// prints as JSON.
export async function wherry(...words) {
  const { stdout } = await promisify(execFile)(process.env.WHERRY_BINARY, [
    ...words,
    '--service',
    'local',
    '--format',
    'json',
  ]);
  return JSON.parse(stdout);
}

// ---- calls

// Waits for an answer that must have this status and be JSON; answers the document.
export async function expect(status, answer) {
  const response = await answer;
  const text = await response.text();
  assert.equal(response.status, status, text);
  assert.match(response.headers.get('content-type') ?? '', /^application\/json/);
  return JSON.parse(text);
}

export const ok = (answer) => expect(200, answer);

// Waits for an answer that must be an error document of Transfer with this status and code.
export async function refused(status, code, answer) {
  const document = await expect(status, answer);
  assert.equal(document.code, code, JSON.stringify(document));
  assert.equal(typeof document.message, 'string');
  assert.notEqual(document.message, '');
  assert.match(document.request_id, /^[0-9A-Za-z]{9}$/);
  assert.match(document.resource, /^\/v0\.10\//);
  return document;
}

// A "result" document, or one of its kin.
export function isResult(document, code, type = 'result') {
  assert.equal(document.DATA_TYPE, type);
  assert.equal(document.code, code);
  assert.equal(typeof document.message, 'string');
  assert.match(document.request_id, /^[0-9A-Za-z]{9}$/);
  assert.match(document.resource, /^\/v0\.10\//);
}

// ---- people and places

const basic = ({ id, secret }) => ({
  Authorization: `Basic ${Buffer.from(`${id}:${secret}`).toString('base64')}`,
});

// A program that acts for itself. `basic` are its headers at Auth, `headers` those of a token.
export async function newClient(name = 'client') {
  const { id, secret } = await wherry('client', 'create', name);
  const client = { id, secret, basic: basic({ id, secret }) };
  client.token = async (scope) => {
    const answer = await ok(
      auth.oauth2.token.token({
        payload: { grant_type: 'client_credentials', scope },
        headers: client.basic,
      }),
    );
    return answer.access_token;
  };
  return client;
}

export const bearer = (token) => ({ Authorization: `Bearer ${token}` });

// A client with a token for Transfer: `person.headers`.
export async function newPerson(name = 'person') {
  const client = await newClient(name);
  return { ...client, headers: bearer(await client.token(TRANSFER)) };
}

// A directory of its own and an endpoint on it.
export async function newEndpoint(owner, ...options) {
  const name = `place-${randomUUID()}`;
  const directory = path.join(scratch, name);
  fs.mkdirSync(directory);
  const { id } = await wherry('endpoint', 'create', name, directory, '--owner', owner.id, ...options);
  return { id, name, directory };
}

// Two endpoints of a person, and what to do with them.
export class Places {
  // `options` of `wherry endpoint create` are the target's.
  static async make(owner, ...options) {
    const places = new Places();
    places.owner = owner;
    [places.source, places.target] = await Promise.all(
      [newEndpoint(owner), newEndpoint(owner, ...options)]);
    return places;
  }

  // The document of a transfer from source to target.
  request(items, more = {}) {
    return {
      submission_id: randomUUID(),
      source_endpoint: this.source.id,
      destination_endpoint: this.target.id,
      DATA: items.map((item) => ({ DATA_TYPE: 'transfer_item', ...item })),
      ...more,
    };
  }

  async submit(items, more = {}) {
    const payload = this.request(items, more);
    const headers = this.owner.headers;
    return expect(202, transfer.taskSubmission.submitTransfer({ payload, headers }));
  }

  // Submits and waits; answers the document of the ended task.
  async transfer(items, more = {}) {
    return this.ended((await this.submit(items, more)).task_id);
  }

  async delete(paths, more = {}) {
    const payload = {
      submission_id: randomUUID(),
      endpoint: this.target.id,
      DATA: paths.map((one) => ({ DATA_TYPE: 'delete_item', path: one })),
      ...more,
    };
    const headers = this.owner.headers;
    const { task_id } = await expect(202, transfer.taskSubmission.submitDelete({ payload, headers }));
    return this.ended(task_id);
  }

  ended(id) {
    return ended(id, this.owner.headers);
  }


  write(name, content = 'content') {
    return write(this.source.directory, name, content);
  }

  // Compares both directories byte by byte.
  assertEqual(below = '.') {
    assert.deepEqual(
      tree(path.join(this.target.directory, below)),
      tree(path.join(this.source.directory, below)),
    );
  }
}

// Asks for a task until `condition` holds of its document, as clients do that wait.
export async function waitFor(id, headers, condition) {
  for (const deadline = Date.now() + 120_000; Date.now() < deadline; ) {
    const task = await ok(transfer.task.get(id, { headers }));
    if (condition(task)) return task;
    await new Promise((resume) => setTimeout(resume, 20));
  }
  return assert.fail(`waited in vain for task ${id}`);
}

export const ended = (id, headers) => waitFor(id, headers, (task) => task.status !== 'ACTIVE');

// ---- files

// Names may be bytes, so all paths below are buffers.
const join = (directory, name) =>
  Buffer.concat([Buffer.from(directory), Buffer.from('/'), Buffer.from(name)]);

export function write(directory, name, content = 'content') {
  const file = join(directory, name);
  fs.mkdirSync(file.subarray(0, file.lastIndexOf('/')), { recursive: true });
  fs.writeFileSync(file, content);
  return file;
}

// Names (as hexadecimal bytes) to contents; null for directories, the target in brackets for links.
export function tree(directory) {
  const found = {};
  const walk = (at, prefix) => {
    for (const name of fs.readdirSync(at, { encoding: 'buffer' })) {
      const file = join(at, name);
      const shown = Buffer.concat([prefix, name]);
      const info = fs.lstatSync(file);
      const key = shown.toString('hex');
      if (info.isSymbolicLink()) found[key] = [fs.readlinkSync(file, { encoding: 'buffer' }).toString('hex')];
      else if (info.isDirectory()) {
        found[key] = null;
        walk(file, Buffer.concat([shown, Buffer.from('/')]));
      } else found[key] = fs.readFileSync(file).toString('hex');
    }
  };
  walk(Buffer.from(directory), Buffer.alloc(0));
  return found;
}
