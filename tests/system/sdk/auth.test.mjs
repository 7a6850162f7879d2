// SPDX-License-Identifier: Apache-2.0
// Globus Auth, as the SDK and the programs that stand on it use it.
import * as sdk from '@globus/sdk';
import assert from 'node:assert/strict';
import { createHash, createPublicKey, randomBytes, randomUUID, verify } from 'node:crypto';
import fs from 'node:fs';
import path from 'node:path';
import { before, describe, test } from 'node:test';
import * as world from './world.mjs';

const { auth, transfer } = sdk;
const { ok, expect, bearer, TRANSFER, VIEW_IDENTITIES } = world;
const { token } = auth.oauth2;
const REDIRECT = 'http://localhost:41235/back';
const LOGIN_SCOPES = `openid profile email ${VIEW_IDENTITIES} ${TRANSFER}`;

async function newUser() {
  const username = `${randomUUID()}@example.org`;
  const password = 'correct horse battery staple';
  const file = path.join(world.scratch, `password-${randomUUID()}`);
  fs.writeFileSync(file, `${password}\n`);
  const { id } = await world.wherry('user', 'create', username, '--name', 'Ada Lovelace',
    '--password-file', file);
  return { id, username, password };
}

function newVerifier() {
  const verifier = randomBytes(48).toString('base64url');
  return { verifier, challenge: createHash('sha256').update(verifier).digest('base64url') };
}

function authorizeUrl(client, parameters) {
  const url = new URL(auth.getAuthorizationEndpoint());
  const all = { client_id: client.id, redirect_uri: REDIRECT, scope: LOGIN_SCOPES, state: 'a state & more',
    response_type: 'code', access_type: 'offline', ...parameters };
  for (const [name, value] of Object.entries(all)) url.searchParams.set(name, value);
  return url;
}

// Opens the page and sends its form back as a browser would; answers the response to that.
async function sendForm(address, fields) {
  const page = await fetch(address);
  assert.equal(page.status, 200);
  const cookie = page.headers.get('set-cookie').split(';')[0];
  const html = await page.text();
  const unescape = (text) => text.replaceAll('&quot;', '"').replaceAll('&#39;', "'")
    .replaceAll('&lt;', '<').replaceAll('&gt;', '>').replaceAll('&amp;', '&');
  const form = new URLSearchParams(
    [...html.matchAll(/<input type="hidden" name="([^"]*)" value="([^"]*)">/g)]
      .map(([, name, value]) => [name, unescape(value)]));
  for (const [name, value] of Object.entries(fields)) form.set(name, value);
  const action = new URL(/<form [^>]*action="([^"]*)"/.exec(html)[1], address);
  return fetch(action, { method: 'POST', body: form, redirect: 'manual', headers: { cookie } });
}

// Logs in; answers the code.
async function login(client, user, parameters = {}) {
  const sent = await sendForm(authorizeUrl(client, parameters),
    { username: user.username, password: user.password, decision: 'allow' });
  assert.ok([302, 303].includes(sent.status), `${sent.status}`);
  const back = new URL(sent.headers.get('location'));
  assert.equal(back.origin + back.pathname, REDIRECT);
  assert.equal(back.searchParams.get('state'), 'a state & more');
  return back.searchParams.get('code');
}

const exchange = (client, code, verifier) => token.exchange({ payload: {
  grant_type: 'authorization_code', client_id: client.id, code, redirect_uri: REDIRECT,
  ...(verifier && { code_verifier: verifier }) } });

async function tokensOf(client, user) {
  const { verifier, challenge } = newVerifier();
  const code = await login(client, user, { code_challenge: challenge, code_challenge_method: 'S256' });
  return ok(exchange(client, code, verifier));
}

const forTransfer = (tokens) =>
  [tokens, ...tokens.other_tokens].find((one) => one.resource_server === world.TRANSFER_SERVER);
const usable = async (access) =>
  (await transfer.task.getAll({ headers: bearer(access) })).status === 200;

describe('auth', () => {
  let user, native, confidential;
  before(async () => {
    [user, native, confidential] = await Promise.all([newUser(),
      world.wherry('client', 'create', 'a program', '--native', '--redirect-uri', REDIRECT),
      world.newClient('a web service')]);
  });

  describe('client credentials', () => {
    test('buy one token for one resource server', async () => {
      const answer = await ok(token.token({ headers: confidential.basic,
        payload: { grant_type: 'client_credentials', scope: TRANSFER } }));
      assert.equal(answer.resource_server, world.TRANSFER_SERVER);
      assert.equal(answer.scope, TRANSFER);
      assert.equal(answer.token_type, 'Bearer');
      assert.equal(answer.expires_in, 172800);
      assert.deepEqual(answer.other_tokens, []);
      assert.ok(!('refresh_token' in answer));
      assert.ok(auth.isGlobusAuthTokenResponse(answer));
      assert.ok(await usable(answer.access_token));
    });

    test('name top-level scopes only', async () => {
      const dependent = `https://auth.globus.org/scopes/${randomUUID()}/data_access`;
      const answer = await ok(token.token({ headers: confidential.basic,
        payload: { grant_type: 'client_credentials', scope: `${TRANSFER}[*${dependent}]` } }));
      assert.equal(answer.scope, TRANSFER);
    });

    test('of a wrong secret are refused', async () => {
      const wrong = Buffer.from(`${confidential.id}:wrong`).toString('base64');
      const answer = await expect(401, token.token({ headers: { Authorization: `Basic ${wrong}` },
        payload: { grant_type: 'client_credentials', scope: TRANSFER } }));
      assert.equal(answer.error, 'invalid_client');
    });

    test('do not buy what does not exist', async () => {
      const answer = await expect(400, token.token({ headers: confidential.basic,
        payload: { grant_type: 'client_credentials', scope: 'no:such:scope' } }));
      assert.equal(answer.error, 'invalid_scope');
      const grant = await expect(400, token.token({ headers: confidential.basic,
        payload: { grant_type: 'password', scope: TRANSFER } }));
      assert.equal(grant.error, 'unsupported_grant_type');
    });
  });

  describe('a login with PKCE', () => {
    test('buys a token for each resource server, with a signed id_token', async () => {
      const tokens = await tokensOf(native, user);
      assert.ok(auth.isGlobusAuthTokenResponse(tokens));
      const all = [tokens, ...tokens.other_tokens];
      assert.deepEqual(all.map((one) => one.resource_server).sort(),
        ['auth.globus.org', world.TRANSFER_SERVER]);
      for (const one of all) assert.ok(auth.isRefreshToken(one), JSON.stringify(one));
      assert.equal(new Set(all.flatMap((one) => [one.access_token, one.refresh_token])).size, 4);
      assert.ok(await usable(forTransfer(tokens).access_token));

      const configuration = await ok(fetch(`${world.url}.well-known/openid-configuration`));
      assert.deepEqual(configuration.id_token_signing_alg_values_supported, ['RS256']);
      const { keys } = await ok(fetch(configuration.jwks_uri));
      const [head, body, signature] = tokens.id_token.split('.');
      assert.equal(JSON.parse(Buffer.from(head, 'base64url')).alg, 'RS256');
      const key = createPublicKey({ key: keys[0], format: 'jwk' });
      assert.ok(verify('sha256', Buffer.from(`${head}.${body}`), key, Buffer.from(signature, 'base64url')));
      const claims = JSON.parse(Buffer.from(body, 'base64url'));
      assert.equal(claims.sub, user.id);
      assert.equal(claims.aud, native.id);
      assert.equal(claims.preferred_username, user.username);
      assert.ok(claims.exp > Date.now() / 1000);
    });

    test('says no to a wrong verifier, and to a code that was used', async () => {
      const { verifier, challenge } = newVerifier();
      const parameters = { code_challenge: challenge, code_challenge_method: 'S256' };
      const first = await login(native, user, parameters);
      const wrong = await expect(401, exchange(native, first, newVerifier().verifier));
      assert.equal(wrong.error, 'invalid_grant');
      const missing = await expect(401, exchange(native, await login(native, user, parameters)));
      assert.equal(missing.error, 'invalid_grant');

      const code = await login(native, user, parameters);
      const tokens = await ok(exchange(native, code, verifier));
      assert.equal((await expect(401, exchange(native, code, verifier))).error, 'invalid_grant');
      // Whoever sent it twice: one of the two stole it.
      assert.ok(!(await usable(forTransfer(tokens).access_token)));
    });

    test('gives no code for a wrong password, nor when the user denies', async () => {
      const { challenge } = newVerifier();
      const address = authorizeUrl(native, { code_challenge: challenge, code_challenge_method: 'S256' });
      const wrong = await sendForm(address,
        { username: user.username, password: 'wrong', decision: 'allow' });
      assert.equal(wrong.status, 200);
      assert.match(await wrong.text(), /user name or the password is wrong/);
      const denied = await sendForm(address, { decision: 'deny' });
      assert.equal(new URL(denied.headers.get('location')).searchParams.get('error'), 'access_denied');
    });

    test('goes back to registered addresses only', async () => {
      const { challenge } = newVerifier();
      for (const redirect_uri of ['https://evil.example.org/', 'http://localhost.evil.example.org/',
        'http://localhost@evil.example.org/', 'javascript:alert(1)', '']) {
        const page = await fetch(authorizeUrl(native,
          { redirect_uri, code_challenge: challenge, code_challenge_method: 'S256' }), { redirect: 'manual' });
        assert.equal(page.status, 400);
        assert.equal(page.headers.get('location'), null);
      }
    });
  });

  describe('refresh tokens', () => {
    const refresh = (client, refresh_token) => token.refresh({ payload: {
      grant_type: 'refresh_token', refresh_token, client_id: client.id } });

    test('buy exactly one new token', async () => {
      const old = forTransfer(await tokensOf(native, user));
      const fresh = await ok(refresh(native, old.refresh_token));
      assert.deepEqual(fresh.other_tokens, []);
      assert.equal(fresh.resource_server, world.TRANSFER_SERVER);
      assert.equal(fresh.scope, TRANSFER);
      assert.notEqual(fresh.access_token, old.access_token);
      assert.ok(await usable(fresh.access_token));
    });

    test('of another client, or made up, are refused', async () => {
      const { refresh_token } = forTransfer(await tokensOf(native, user));
      const other = await world.wherry('client', 'create', 'another', '--native');
      assert.equal((await expect(401, refresh(other, refresh_token))).error, 'invalid_grant');
      assert.equal((await expect(401, refresh(native, 'made-up'))).error, 'invalid_grant');
    });
  });

  test('a revoked token opens nothing', async () => {
    const one = forTransfer(await tokensOf(native, user));
    assert.deepEqual(await ok(token.revoke({ payload: { token: one.access_token, client_id: native.id } })),
      { active: false });
    assert.ok(!(await usable(one.access_token)));
    // The command line logs out of tokens that it does not have.
    assert.deepEqual(await ok(token.revoke({ payload: { client_id: native.id } })), { active: false });
    assert.deepEqual(await ok(token.revoke({ payload: { token: 'made-up', client_id: native.id } })),
      { active: false });
  });

  test('tokens are validated and introspected for clients', async () => {
    const access = await confidential.token(`openid ${VIEW_IDENTITIES}`);
    const about = (call, payload, headers = confidential.basic) => call({ payload, headers });
    assert.deepEqual(await ok(about(token.validate, { token: access })), { active: true });
    assert.deepEqual(await ok(about(token.validate, { token: 'made-up' })), { active: false });
    const told = await ok(about(token.introspect, { token: access, include: 'session_info' }));
    assert.equal(told.active, true);
    assert.equal(told.client_id, confidential.id);
    assert.equal(told.sub, confidential.id);
    assert.equal(told.username, `${confidential.id}@clients.auth.globus.org`);
    assert.deepEqual(told.scope.split(' ').sort(), ['openid', VIEW_IDENTITIES]);
    assert.ok(told.aud.includes('auth.globus.org'));
    assert.equal(told.exp - told.iat, 172800);
    assert.equal(typeof told.session_info.authentications[confidential.id].auth_time, 'number');
    assert.deepEqual(await ok(about(token.introspect, { token: 'made-up' })), { active: false });
    await expect(401, about(token.introspect, { token: access }, {}));
  });

  describe('identities', () => {
    test('userinfo tells who the caller is', async () => {
      const { access_token } = await tokensOf(native, user);
      const told = await ok(auth.oauth2.userinfo({ headers: bearer(access_token) }));
      assert.equal(told.sub, user.id);
      assert.equal(told.preferred_username, user.username);
      assert.equal(told.name, 'Ada Lovelace');
      assert.deepEqual(told.identity_set.map((one) => one.sub), [user.id]);
      const own = await ok(auth.oauth2.userinfo({ headers: bearer(await confidential.token('openid')) }));
      assert.equal(own.sub, confidential.id);
      assert.equal(own.preferred_username, `${confidential.id}@clients.auth.globus.org`);
      const no = await expect(401, auth.oauth2.userinfo({ headers: bearer('made-up') }));
      assert.equal(no.errors[0].code, 'UNAUTHORIZED');
    });

    test('are found by id and by name; unknown ones are absent', async () => {
      const headers = bearer(await confidential.token(VIEW_IDENTITIES));
      const find = async (query) =>
        (await ok(auth.identities.getAll({ query, headers }))).identities.map((one) => one.id);
      assert.deepEqual(await find({ ids: `${user.id},${randomUUID()}` }), [user.id]);
      assert.deepEqual(await find({ usernames: user.username, provision: false }), [user.id]);
      assert.deepEqual(await find({ ids: confidential.id }), [confidential.id]);
      const { identity } = await ok(auth.identities.get(user.id, { headers }));
      assert.equal(identity.username, user.username);
      await expect(404, auth.identities.get(randomUUID(), { headers }));
      await expect(401, auth.identities.getAll({ query: { ids: user.id } }));
      await expect(403, auth.identities.getAll(
        { query: { ids: user.id }, headers: bearer(await confidential.token(TRANSFER)) }));
    });
  });

  describe('an endpoint that asks for a consent', () => {
    const { errors: known, timers } = sdk;
    const isAskedFor = async (answer) => {
      const told = await expect(403, answer);
      assert.ok(known.isConsentRequiredError(told), JSON.stringify(told));
      assert.ok(known.isAuthorizationRequirementsError(told));
      return known.toAuthorizationQueryParams(told).scope;
    };
    const consentsOf = async ({ id, token: buy }) => (await ok(auth.identities.consents.getAll(id,
      { query: { all: false }, headers: bearer(await buy(VIEW_IDENTITIES)) }))).consents;

    test('opens to every token of a client that has consented', async () => {
      const person = await world.newPerson();
      const { id } = await world.newEndpoint(person, '--data-access-consent');
      const ls = () => transfer.fileOperations.ls(id, { query: { path: '/' }, headers: person.headers });
      const scope = await isAskedFor(ls());
      assert.equal(scope, `${TRANSFER}[*https://auth.globus.org/scopes/${id}/data_access]`);
      assert.ok(!auth.utils.hasConsentForScope(await consentsOf(person), scope));
      await person.token(scope);
      assert.ok(auth.utils.hasConsentForScope(await consentsOf(person), scope));
      await ok(ls());
    });

    test('must be consented to before a timer is made', async () => {
      const person = await world.newPerson();
      const { id } = await world.newEndpoint(person, '--data-access-consent');
      const timer = { timer_type: 'transfer', name: 'nightly', schedule: { type: 'once' }, body: {
        DATA_TYPE: 'transfer', source_endpoint: id, destination_endpoint: id,
        DATA: [{ DATA_TYPE: 'transfer_item', source_path: '/a', destination_path: '/b' }] } };
      const create = async (token) => timers.timer.create({ payload: { timer }, headers: bearer(token) });
      const scope = await isAskedFor(create(await person.token(world.TIMERS)));
      await expect(201, create(await person.token(scope)));
    });
  });
});
