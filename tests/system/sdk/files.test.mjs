// SPDX-License-Identifier: Apache-2.0
// Operations on the files of an endpoint, through the SDK.
import { transfer } from '@globus/sdk';
import assert from 'node:assert/strict';
import { randomUUID } from 'node:crypto';
import fs from 'node:fs';
import { before, describe, test } from 'node:test';
import * as world from './world.mjs';

const { ok, expect, refused, isResult } = world;
const { fileOperations, utils } = transfer;

describe('files', () => {
  let person, place;
  before(async () => {
    person = await world.newPerson();
    place = await world.newEndpoint(person);
    const { directory } = place;
    world.write(directory, 'listing/b.txt', 'bb');
    world.write(directory, 'listing/a.txt', 'a');
    world.write(directory, 'listing/.hidden', '');
    world.write(directory, 'listing/sub/inner', 'i');
    fs.chmodSync(`${directory}/listing/b.txt`, 0o640);
    fs.utimesSync(`${directory}/listing/b.txt`, 1600887192, 1600887192);
    fs.symlinkSync('b.txt', `${directory}/listing/to-b`);
    fs.symlinkSync('nowhere', `${directory}/listing/to-nowhere`);
  });
  const ls = (query) => fileOperations.ls(place.id, { query, headers: person.headers });
  const stat = (path) => fileOperations.stat(place.id, { query: { path }, headers: person.headers });
  const mkdir = (payload) => fileOperations.mkdir(place.id, { payload, headers: person.headers });
  const rename = (payload) => fileOperations.rename(place.id, { payload, headers: person.headers });
  const symlink = (payload) => fileOperations.symlink(place.id, { payload, headers: person.headers });
  const names = async (query) =>
    (await ok(ls({ path: '/listing/', ...query }))).DATA.map((file) => file.name);

  describe('ls', () => {
    test('answers the document of the contract', async () => {
      const list = await ok(ls({ path: '/listing' }));
      assert.equal(list.DATA_TYPE, 'file_list');
      assert.equal(list.endpoint, place.id);
      assert.equal(list.path, '/listing/');
      assert.equal(list.rename_supported, true);
      assert.equal(list.symlink_supported, true);
      assert.equal(list.length, 6);
      assert.equal(list.total, 6);
      assert.deepEqual(list.DATA.map((file) => file.name),
        ['.hidden', 'a.txt', 'b.txt', 'sub', 'to-b', 'to-nowhere']);
      for (const file of list.DATA) {
        assert.ok(utils.isFileDocument(file));
        assert.match(file.last_modified, world.FILE_TIME);
        assert.match(file.permissions, /^0[0-7]{3}$/);
      }
      const [, , b, sub, link, broken] = list.DATA;
      assert.deepEqual([b.type, b.size, b.permissions, b.last_modified, b.link_target],
        ['file', 2, '0640', '2020-09-23 18:53:12+00:00', null]);
      assert.ok(utils.isDirectory(sub));
      assert.deepEqual([link.type, link.size, link.link_target], ['file', 2, 'b.txt']);
      assert.match(link.link_last_modified, world.FILE_TIME);
      assert.deepEqual([broken.type, broken.link_target], ['invalid_symlink', 'nowhere']);
    });

    test('hides hidden files when asked to', async () => {
      for (const show_hidden of [false, 'false', 'False', 0])
        assert.ok(!(await names({ show_hidden })).includes('.hidden'), `${show_hidden}`);
      for (const show_hidden of [true, 'true', 'True', 1])
        assert.ok((await names({ show_hidden })).includes('.hidden'), `${show_hidden}`);
    });

    test('filters', async () => {
      assert.deepEqual(await names({ filter: 'name:~*.txt' }), ['a.txt', 'b.txt']);
      assert.deepEqual(await names({ filter: 'name:=a.txt' }), ['a.txt']);
      assert.deepEqual(await names({ filter: 'name:!~*.txt/type:file' }), ['.hidden', 'to-b']);
      assert.deepEqual(await names({ filter: 'type:dir' }), ['sub']);
      assert.deepEqual(await names({ filter: 'type:dir,invalid_symlink' }), ['sub', 'to-nowhere']);
      assert.equal((await names({ filter: '' })).length, 6);
      const old = await names({ filter: 'last_modified:,2021-01-01' });
      assert.ok(old.includes('b.txt') && !old.includes('a.txt'));
      await refused(400, 'ClientError.BadRequest', ls({ path: '/listing', filter: 'colour:red' }));
    });

    test('orders', async () => {
      assert.deepEqual(await names({ orderby: 'name DESC', filter: 'name:~*.txt' }), ['b.txt', 'a.txt']);
      assert.deepEqual(await names({ orderby: 'size desc,name', filter: 'name:~*.txt,=.hidden' }),
        ['b.txt', 'a.txt', '.hidden']);
      assert.equal((await names({ orderby: 'type,name' }))[0], 'sub');
      await refused(400, 'ClientError.BadRequest', ls({ path: '/listing', orderby: 'colour' }));
    });

    test('gives a window of what there is', async () => {
      const page = await ok(ls({ path: '/listing', limit: 2, offset: 1 }));
      assert.deepEqual(page.DATA.map((file) => file.name), ['a.txt', 'b.txt']);
      assert.equal(page.length, 2);
      assert.equal(page.total, 6);
      assert.equal((await ok(ls({ path: '/listing', offset: 100 }))).length, 0);
      await refused(400, 'ClientError.BadRequest', ls({ path: '/listing', limit: 'many' }));
    });

    test('knows the default directory', async () => {
      const home = await world.newEndpoint(person, '--default-directory', '/home/me/');
      world.write(home.directory, 'home/me/note');
      const { headers } = person;
      for (const query of [{}, { path: '~' }, { path: '/~/' }, { path: '~/' }]) {
        const list = await ok(fileOperations.ls(home.id, { query, headers }));
        assert.deepEqual(list.DATA.map((file) => file.name), ['note'], JSON.stringify(query));
        assert.ok(list.path.endsWith('/'));
      }
    });

    test('says what is wrong', async () => {
      await refused(404, 'ClientError.NotFound', ls({ path: '/nowhere/' }));
      await refused(502, 'ExternalError.DirListingFailed', ls({ path: '/listing/a.txt' }));
      await refused(404, 'EndpointNotFound',
        fileOperations.ls(randomUUID(), { query: { path: '/' }, headers: person.headers }));
      await refused(400, 'ClientError.BadRequest', ls({ path: '/listing/../../etc' }));
    });

    test('tells names that are not UTF-8 so that they can be sent back', async () => {
      const { directory } = place;
      const name = Buffer.from([0x66, 0xff, 0x80, 0x5c, 0x0a, 0x78]);
      world.write(directory, Buffer.concat([Buffer.from('bytes/'), name]), 'odd');
      const [file] = (await ok(ls({ path: '/bytes' }))).DATA;
      assert.equal(file.name, 'f\\xff\\x80\\x5c\\x0ax');
      assert.equal((await ok(stat(`/bytes/${file.name}`))).size, 3);
      await ok(rename({ old_path: `/bytes/${file.name}`, new_path: '/bytes/ünïcode \u{1F680}' }));
      assert.deepEqual(fs.readdirSync(`${directory}/bytes`), ['ünïcode \u{1F680}']);
      assert.equal((await ok(ls({ path: '/bytes' }))).DATA[0].name, 'ünïcode \u{1F680}');
    });
  });

  test('stat tells one file', async () => {
    const file = await ok(stat('/listing/b.txt'));
    assert.equal(file.DATA_TYPE, 'file');
    assert.deepEqual([file.name, file.type, file.size], ['b.txt', 'file', 2]);
    assert.equal((await ok(stat('/listing/'))).type, 'dir');
    assert.equal((await ok(stat('/'))).type, 'dir');
    // Exactly this code: the command line takes it for "nothing found".
    await refused(404, 'NotFound', stat('/listing/nothing'));
  });

  test('mkdir makes one directory', async () => {
    isResult(await expect(202, mkdir({ path: '/made/' })), 'DirectoryCreated', 'mkdir_result');
    assert.ok(fs.statSync(`${place.directory}/made`).isDirectory());
    await refused(502, 'ExternalError.MkdirFailed.Exists', mkdir({ path: '/made' }));
    await refused(404, 'ClientError.NotFound', mkdir({ path: '/not/there/yet' }));
    await refused(400, 'ClientError.BadRequest', mkdir({}));
    await refused(400, 'ClientError.BadRequest', mkdir({ path: '/a/../../b' }));
  });

  test('rename moves files and directories, and replaces nothing', async () => {
    const { directory } = place;
    world.write(directory, 'move/one', '1');
    world.write(directory, 'move/two', '2');
    isResult(await ok(rename({ old_path: '/move/one', new_path: '/move/three' })), 'FileRenamed');
    assert.deepEqual(fs.readdirSync(`${directory}/move`).sort(), ['three', 'two']);
    await refused(502, 'ExternalError.RenameFailed.Exists',
      rename({ old_path: '/move/three', new_path: '/move/two' }));
    assert.equal(fs.readFileSync(`${directory}/move/two`, 'utf8'), '2');
    await ok(rename({ old_path: '/move/', new_path: '/moved/' }));
    assert.deepEqual(fs.readdirSync(`${directory}/moved`).sort(), ['three', 'two']);
    await refused(404, 'ClientError.NotFound',
      rename({ old_path: '/nowhere', new_path: '/somewhere' }));
  });

  test('symlink makes a link, which leads out of no endpoint', async () => {
    isResult(await expect(202, symlink({ symlink_target: 'listing', path: '/a-link' })),
      'SymlinkCreated', 'symlink_result');
    assert.equal(fs.readlinkSync(`${place.directory}/a-link`), 'listing');
    assert.equal((await ok(ls({ path: '/a-link/' }))).length, 6);
    fs.symlinkSync('/etc', `${place.directory}/way-out`);
    const out = await ls({ path: '/way-out/' });
    assert.ok(out.status >= 400 && out.status < 600, `${out.status}`);
    assert.ok(!(await out.text()).includes('passwd"'));
  });

  test('a read-only endpoint takes no change', async () => {
    const readOnly = await world.newEndpoint(person, '--read-only');
    const { headers } = person;
    await refused(403, 'EndpointPermissionDenied',
      fileOperations.mkdir(readOnly.id, { payload: { path: '/d' }, headers }));
    assert.deepEqual(fs.readdirSync(readOnly.directory), []);
  });
});
