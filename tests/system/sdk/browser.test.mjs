// SPDX-License-Identifier: Apache-2.0
// A person logs in: Chromium opens the page, types, agrees, and the program gets its code.
import { auth, transfer } from '@globus/sdk';
import assert from 'node:assert/strict';
import { createHash, randomBytes, randomUUID } from 'node:crypto';
import fs from 'node:fs';
import http from 'node:http';
import { createRequire } from 'node:module';
import path from 'node:path';
import { after, before, describe, test } from 'node:test';
import { chromium } from 'playwright-core';
import * as world from './world.mjs';

const CHROMIUM = '/usr/bin/chromium';
const SCOPES = `openid ${world.TRANSFER}`;
const PASSWORD = 'correct horse <battery> & "staple"';

// The SDK as web pages load it.
const WEB_SDK = createRequire(import.meta.url).resolve('@globus/sdk')
  .replace(/dist\/.*$/, 'dist/umd/globus.production.js');

// What a program that logs in runs on its user's machine: one request, which brings the code. It also
// is the web server of a web application that uses the SDK.
async function localServer() {
  let arrived;
  const back = new Promise((resolve) => { arrived = resolve; });
  const server = http.createServer((request, response) => {
    response.setHeader('Content-Type', 'text/html');
    if (request.url === '/sdk.js') return response.end(fs.readFileSync(WEB_SDK));
    if (request.url.startsWith('/app'))
      return response.end('<!DOCTYPE html><title>Application</title><script src="/sdk.js"></script>');
    if (request.url.startsWith('/back')) arrived(new URL(request.url, 'http://localhost'));
    return response.end('<!DOCTYPE html><title>Done</title>You may close this page.');
  });
  await new Promise((resolve) => server.listen(0, 'localhost', resolve));
  const origin = `http://localhost:${server.address().port}`;
  return { redirect: `${origin}/back`, app: `${origin}/app`, back, close: () => server.close() };
}

describe('a browser', { timeout: 300_000 }, () => {
  let browser, username, userId;
  before(async () => {
    assert.ok(fs.existsSync(CHROMIUM), `there is no ${CHROMIUM}: run scripts/install-dependencies test`);
    browser = await chromium.launch({ executablePath: CHROMIUM, args: ['--no-sandbox'] });
    username = `${randomUUID()}@example.org`;
    const file = path.join(world.scratch, `password-${randomUUID()}`);
    fs.writeFileSync(file, `${PASSWORD}\n`);
    ({ id: userId } = await world.wherry('user', 'create', username, '--password-file', file));
  });
  after(() => browser?.close());

  async function open(parameters) {
    const context = await browser.newContext({ ignoreHTTPSErrors: true });
    const page = await context.newPage();
    const url = new URL(auth.getAuthorizationEndpoint());
    for (const [name, value] of Object.entries(parameters)) url.searchParams.set(name, value);
    await page.goto(url.href);
    return page;
  }
  async function type(page, password) {
    await page.getByLabel('User name').fill(username);
    await page.getByLabel('Password').fill(password);
    await page.getByRole('button', { name: 'Log in and allow' }).click();
  }
  const exchange = (payload, headers = {}) =>
    world.ok(auth.oauth2.token.token({ payload: { grant_type: 'authorization_code', ...payload }, headers }));

  test('logs in on the page, and the code arrives at the program', async () => {
    const local = await localServer();
    try {
      const client = await world.wherry('client', 'create', 'A <b>program</b>', '--native',
        '--redirect-uri', local.redirect);
      const verifier = randomBytes(48).toString('base64url');
      const page = await open({ client_id: client.id, redirect_uri: local.redirect, scope: SCOPES,
        state: 's & t', response_type: 'code', access_type: 'offline', code_challenge_method: 'S256',
        code_challenge: createHash('sha256').update(verifier).digest('base64url') });
      // Names are text, whatever is in them.
      assert.match(await page.textContent('body'), /A <b>program<\/b> asks for:/);
      assert.ok((await page.getByRole('listitem').allTextContents()).includes(world.TRANSFER));

      await type(page, 'wrong');
      assert.match(await page.getByRole('alert').textContent(), /user name or the password is wrong/);
      assert.equal(new URL(page.url()).origin, new URL(world.url).origin);

      await type(page, PASSWORD);
      const back = await local.back;
      assert.equal(back.searchParams.get('state'), 's & t');
      await page.waitForURL(`${local.redirect}**`);
      const tokens = await exchange({ client_id: client.id, code: back.searchParams.get('code'),
        redirect_uri: local.redirect, code_verifier: verifier });
      const mine = [tokens, ...tokens.other_tokens];
      const { access_token } = mine.find((one) => one.resource_server === world.TRANSFER_SERVER);
      await world.ok(transfer.task.getAll({ headers: world.bearer(access_token) }));
      assert.equal(JSON.parse(Buffer.from(tokens.id_token.split('.')[1], 'base64url')).sub, userId);
    } finally {
      local.close();
    }
  });

  test('runs a web application with the SDK, which logs in, calls, refreshes and logs out', async () => {
    const local = await localServer();
    try {
      const client = await world.wherry('client', 'create', 'an application', '--native',
        '--redirect-uri', local.app);
      const page = await (await browser.newContext({ ignoreHTTPSErrors: true })).newPage();
      await page.addInitScript((url) => {
        for (const service of ['AUTH', 'TRANSFER', 'TIMERS']) window[`GLOBUS_SDK_SERVICE_URL_${service}`] = url;
      }, world.url);
      const configuration = { client: client.id, redirect: local.app, scopes: world.TRANSFER, useRefreshTokens: true };
      // Runs in the page: `work` gets the SDK's manager, which keeps its tokens between two pages.
      const inPage = (work) => page.evaluate(`(async () => {
        const manager = globus.authorization.create({ ...${JSON.stringify(configuration)}, storage: localStorage });
        return (${work})(manager);
      })()`);

      await page.goto(local.app);
      await inPage((manager) => { manager.login(); });
      await page.waitForURL(`${world.url}**`);
      await type(page, PASSWORD);
      await page.waitForURL(`${local.app}?code=**`);
      await inPage((manager) => { manager.handleCodeRedirect(); });
      await page.waitForURL(local.app);

      const list = async (manager) => {
        const answer = await globus.transfer.task.getAll({}, { manager });
        return [answer.status, (await answer.json()).DATA_TYPE];
      };
      assert.equal(await inPage((manager) => manager.authenticated), true);
      assert.equal(await inPage((manager) => manager.user.preferred_username), username);
      assert.deepEqual(await inPage(list), [200, 'task_list']);
      const refreshed = await inPage(async (manager) =>
        (await manager.refreshTokens()).map((one) => one.value?.resource_server));
      assert.deepEqual(refreshed.sort(), ['auth.globus.org', world.TRANSFER_SERVER]);
      assert.deepEqual(await inPage(list), [200, 'task_list']);
      const token = await inPage((manager) => manager.tokens.transfer.access_token);
      await inPage((manager) => manager.revoke());
      assert.equal(await inPage((manager) => manager.authenticated), false);
      await world.expect(401, transfer.task.getAll({ headers: world.bearer(token) }));
    } finally {
      local.close();
    }
  });

  test('denies, and the program is told', async () => {
    const local = await localServer();
    try {
      const client = await world.wherry('client', 'create', 'a program', '--native',
        '--redirect-uri', local.redirect);
      const page = await open({ client_id: client.id, redirect_uri: local.redirect, scope: SCOPES,
        state: 'state', response_type: 'code', code_challenge_method: 'S256',
        code_challenge: createHash('sha256').update('x').digest('base64url') });
      await page.getByRole('button', { name: 'Deny' }).click();
      const back = await local.back;
      assert.equal(back.searchParams.get('error'), 'access_denied');
      assert.equal(back.searchParams.get('code'), null);
    } finally {
      local.close();
    }
  });

  test('shows the code of a command line that has no browser beside it', async () => {
    // As `globus login --no-local-server` does: it registers itself, and uses no PKCE.
    const registered = await world.expect(201, fetch(`${world.url}v2/api/clients`, { method: 'POST',
      headers: { 'Content-Type': 'application/json' }, body: JSON.stringify({ client: {
        template_id: '95fdeba8-fac2-42bd-a357-e068d82ff78e', name: 'Globus CLI' } }) }));
    const { client: id, secret } = registered.included.client_credential;
    const redirect_uri = `${world.url}v2/web/auth-code`;
    const page = await open({ client_id: id, redirect_uri, scope: SCOPES, state: '_default',
      response_type: 'code', access_type: 'offline', prompt: 'login' });
    await type(page, PASSWORD);
    const code = await page.locator('#code').textContent();
    const tokens = await exchange({ code, redirect_uri },
      { Authorization: `Basic ${Buffer.from(`${id}:${secret}`).toString('base64')}` });
    assert.equal(tokens.other_tokens.length, 1);
    const told = await world.ok(auth.oauth2.userinfo({ headers: world.bearer(tokens.access_token) }));
    assert.equal(told.preferred_username, username);
  });
});
