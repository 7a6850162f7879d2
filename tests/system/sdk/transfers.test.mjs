// SPDX-License-Identifier: Apache-2.0
// Transfers and deletions through the SDK; what arrives is compared byte by byte.
import { transfer } from '@globus/sdk';
import assert from 'node:assert/strict';
import { createHash, randomBytes, randomUUID } from 'node:crypto';
import fs from 'node:fs';
import { before, beforeEach, describe, test } from 'node:test';
import * as world from './world.mjs';

const { ok, expect, refused, isResult } = world;
const { submitTransfer, submitDelete, submissionId } = transfer.taskSubmission;
const ALL = [{ source_path: '/', destination_path: '/', recursive: true }];

function succeeded(task) {
  assert.equal(task.status, 'SUCCEEDED', JSON.stringify(task));
  return task;
}

describe('transfers', () => {
  let person, places;
  before(async () => { person = await world.newPerson(); });
  beforeEach(async () => { places = await world.Places.make(person); });
  const send = (payload) => submitTransfer({ payload, headers: person.headers });
  const read = (name) => fs.readFileSync(`${places.target.directory}/${name}`, 'utf8');
  const names = (directory = places.target.directory) => fs.readdirSync(directory).sort();
  const setTime = (place, name, seconds) => fs.utimesSync(`${place.directory}/${name}`, seconds, seconds);

  test('one file arrives, and the answer is that of the contract', async () => {
    places.write('a/file', 'hello');
    const { value } = await ok(submissionId({ headers: person.headers }));
    assert.match(value, world.UUID);
    const payload = { ...places.request([{ source_path: '/a/file', destination_path: '/b/copy' }]),
      submission_id: value, label: 'one file' };
    const accepted = await expect(202, send(payload));
    isResult(accepted, 'Accepted', 'transfer_result');
    assert.equal(accepted.submission_id, value);
    assert.match(accepted.task_id, world.UUID);
    assert.equal(accepted.task_link.resource, 'task');
    const task = succeeded(await places.ended(accepted.task_id));
    assert.deepEqual([task.files, task.files_transferred, task.bytes_transferred, task.label],
      [1, 1, 5, 'one file']);
    assert.equal(read('b/copy'), 'hello');
  });

  test('a batch of files arrives', async () => {
    const items = [];
    for (let i = 0; i < 50; ++i) {
      places.write(`in/${i}`, randomBytes(i * 700));
      items.push({ source_path: `/in/${i}`, destination_path: `/in/${i}` });
    }
    const task = succeeded(await places.transfer(items, { verify_checksum: true }));
    assert.equal(task.files_transferred, 50);
    places.assertEqual();
  });

  test('a tree arrives with empty directories, empty files and every kind of name', async () => {
    places.write('empty', '');
    places.write('large', randomBytes(3_000_000));
    places.write('deep/er/and/deeper/file', 'x');
    places.write(Buffer.from('bytes \xff\xfe\x01/and\nnewline', 'latin1'), 'odd');
    places.write('ünïcode \u{1F680}/näme', 'u');
    places.write('trailing /dots..', 'd');
    fs.mkdirSync(`${places.source.directory}/empty directory/in it another`, { recursive: true });
    const task = succeeded(await places.transfer(ALL, { verify_checksum: true }));
    assert.equal(task.files, 6);
    assert.equal(task.verify_checksum, true);
    assert.equal(task.faults, 0);
    places.assertEqual();
  });

  test('a name that is not UTF-8 can be asked for', async () => {
    const name = Buffer.from('name \xff\x00'.slice(0, 6), 'latin1');
    places.write(name, 'odd');
    succeeded(await places.transfer([{ source_path: '/name \\xff', destination_path: '/name \\xff' }]));
    places.assertEqual();
  });

  test('an endpoint copies to itself', async () => {
    places.write('file', 'same');
    const items = [{ source_path: '/file', destination_path: '/copies/file' }];
    succeeded(await places.transfer(items, { destination_endpoint: places.source.id }));
    assert.equal(fs.readFileSync(`${places.source.directory}/copies/file`, 'utf8'), 'same');
  });

  test('without "recursive" the source says whether it is a file or a directory', async () => {
    places.write('directory/inner', 'i');
    places.write('file', 'f');
    succeeded(await places.transfer([
      { source_path: '/directory', destination_path: '/directory' },
      { source_path: '/file', destination_path: '/file' }]));
    places.assertEqual();
  });

  test('"recursive" that is wrong ends the task', async () => {
    places.write('directory/inner', 'i');
    const task = await places.transfer(
      [{ source_path: '/directory', destination_path: '/directory', recursive: false }]);
    assert.equal(task.status, 'FAILED');
    assert.deepEqual(names(), []);
  });

  test('filter rules choose; the first that matches decides', async () => {
    for (const name of ['a.txt', 'b.tmp', 'keep.tmp', 'sub/c.txt', 'sub/d.tmp', 'skipped/e.txt'])
      places.write(name);
    const rule = (method, name, type) => ({ DATA_TYPE: 'filter_rule', method, name, ...(type && { type }) });
    const task = succeeded(await places.transfer(ALL, { filter_rules: [
      rule('include', 'keep.*', 'file'), rule('exclude', '*.tmp'), rule('exclude', 'skip*', 'dir')] }));
    assert.equal(task.filter_rules.length, 3);
    assert.deepEqual(names(), ['a.txt', 'keep.tmp', 'sub']);
    assert.deepEqual(names(`${places.target.directory}/sub`), ['c.txt']);
  });

  describe('sync levels', () => {
    // What is already there: the same; another content of that size and an older time; another size.
    const prepare = () => {
      for (const [name, old] of [['same', 'same'], ['content', 'CONTENT'], ['size', 'longer than'], ['new', null]]) {
        places.write(name, name);
        setTime(places.source, name, 1_600_000_000);
        if (old === null) continue;
        world.write(places.target.directory, name, old);
        setTime(places.target, name, 1_600_000_000);
      }
    };
    const run = async (sync_level) => {
      const task = succeeded(await places.transfer(ALL, { sync_level }));
      assert.equal(task.sync_level, sync_level);
      const { DATA } = await ok(transfer.task.getSuccessfulTransfers(task.task_id, { headers: person.headers }));
      assert.equal(task.files_transferred, DATA.length);
      assert.equal(task.files_skipped, task.files - DATA.length);
      return DATA.map((one) => one.source_path).sort();
    };

    test('none: all is copied', async () => {
      prepare();
      assert.equal((await run(null)).length, 4);
      places.assertEqual();
    });
    test('0: what is missing', async () => {
      prepare();
      assert.deepEqual(await run(0), ['/new']);
      assert.equal(read('content'), 'CONTENT');
    });
    test('1: and what differs in size', async () => {
      prepare();
      assert.deepEqual(await run(1), ['/new', '/size']);
      assert.equal(read('content'), 'CONTENT');
    });
    test('2: and what is newer', async () => {
      prepare();
      setTime(places.source, 'content', 1_700_000_000);
      assert.deepEqual(await run(2), ['/content', '/new', '/size']);
      places.assertEqual();
    });
    test('3: and what differs in content', async () => {
      prepare();
      assert.deepEqual(await run(3), ['/content', '/new', '/size']);
      places.assertEqual();
    });
    test('there are no others', async () => {
      prepare();
      for (const sync_level of [4, -1, 'size'])
        await refused(400, 'ClientError.BadRequest', send(places.request(ALL, { sync_level })));
    });
  });

  test('delete_destination_extra removes what the source does not have', async () => {
    places.write('kept', 'k');
    world.write(places.target.directory, 'extra/file', 'e');
    const task = succeeded(await places.transfer(ALL, { delete_destination_extra: true }));
    assert.equal(task.delete_destination_extra, true);
    places.assertEqual();
  });

  test('preserve_timestamp keeps the time of files', async () => {
    places.write('file', 'f');
    setTime(places.source, 'file', 1_500_000_000);
    succeeded(await places.transfer(ALL, { preserve_timestamp: true }));
    assert.equal(fs.statSync(`${places.target.directory}/file`).mtimeMs, 1_500_000_000_000);
  });

  describe('symlinks met on the way', () => {
    const prepare = () => {
      places.write('file', 'f');
      fs.symlinkSync('file', `${places.source.directory}/link`);
    };
    test('are ignored', async () => {
      prepare();
      succeeded(await places.transfer(ALL));
      assert.deepEqual(names(), ['file']);
    });
    test('are kept', async () => {
      prepare();
      const task = succeeded(await places.transfer(ALL, { recursive_symlinks: 'keep' }));
      assert.equal(task.recursive_symlinks, 'keep');
      assert.equal(task.symlinks, 1);
      places.assertEqual();
    });
    test('are copied as what they lead to', async () => {
      prepare();
      succeeded(await places.transfer(ALL, { recursive_symlinks: 'copy' }));
      assert.ok(fs.lstatSync(`${places.target.directory}/link`).isFile());
      assert.equal(read('link'), 'f');
    });
    test('an item of their own makes them again', async () => {
      prepare();
      succeeded(await places.transfer([{ DATA_TYPE: 'transfer_symlink_item',
        source_path: '/link', destination_path: '/link' }]));
      assert.equal(fs.readlinkSync(`${places.target.directory}/link`), 'file');
    });
  });

  describe('external checksums', () => {
    const md5 = createHash('md5').update('content').digest('hex');
    const sha256 = createHash('sha256').update('content').digest('hex');
    const item = (more) => [{ source_path: '/file', destination_path: '/file', ...more }];
    test('that are right let the file pass', async () => {
      places.write('file');
      succeeded(await places.transfer(item({ external_checksum: md5 })));
      succeeded(await places.transfer(item({ external_checksum: sha256, checksum_algorithm: 'SHA256' })));
      places.assertEqual();
    });
    test('that are wrong end the task, and nothing wrong is left', async () => {
      places.write('file');
      const task = await places.transfer(item({ external_checksum: sha256.replace(/./g, '0'),
        checksum_algorithm: 'SHA256' }));
      assert.equal(task.status, 'FAILED');
      assert.equal(typeof task.fatal_error.code, 'string');
      assert.deepEqual(names(), []);
    });
  });

  test('a submission that is sent twice makes one task', async () => {
    places.write('file', 'f');
    const payload = places.request([{ source_path: '/file', destination_path: '/file' }]);
    const first = await expect(202, send(payload));
    const again = await expect(200, send({ ...payload, label: 'another body' }));
    isResult(again, 'Duplicate', 'transfer_result');
    assert.equal(again.task_id, first.task_id);
    assert.equal(again.submission_id, first.submission_id);
    const task = succeeded(await places.ended(first.task_id));
    assert.equal(task.label, null);
    const after = await expect(200, send(payload));
    assert.equal(after.task_id, first.task_id);
    // Another's ids are another's.
    const stranger = await world.newPerson('stranger');
    const others = await world.Places.make(stranger);
    const { task_id } = await expect(202, submitTransfer({ headers: stranger.headers, payload: {
      ...others.request([{ source_path: '/x', destination_path: '/x' }]),
      submission_id: payload.submission_id } }));
    assert.notEqual(task_id, first.task_id);
    await transfer.task.cancel(task_id, { headers: stranger.headers });
  });

  test('what makes no sense is refused, and says why', async () => {
    places.write('file');
    const items = [{ source_path: '/file', destination_path: '/file' }];
    const good = places.request(items);
    const without = (name) => Object.fromEntries(Object.entries(good).filter(([key]) => key !== name));
    const bad = (payload, code = 'ClientError.BadRequest') => refused(400, code, send(payload));
    await bad(places.request([]), 'ClientError.BadRequest.NoTransferItems');
    await bad(without('submission_id'));
    await bad(without('source_endpoint'));
    await bad(without('DATA'));
    await bad(places.request(items, { label: 17 }));
    await bad(places.request(items, { deadline: 'whenever' }));
    await bad(places.request(items, { recursive_symlinks: 'maybe' }));
    await bad(places.request([{ source_path: '/file' }]));
    await bad(places.request([{ source_path: '/../file', destination_path: '/file' }]));
    await bad(places.request([{ source_path: '/file', destination_path: '/../../etc/file' }]));
    await refused(404, 'EndpointNotFound', send(places.request(items, { source_endpoint: randomUUID() })));
    await refused(400, 'ClientError.BadRequest', submitTransfer({ body: '{"DATA": [', headers: person.headers }));
    assert.deepEqual((await ok(transfer.task.getAll({ headers: person.headers,
      query: { filter: 'status:ACTIVE' } }))).DATA, []);
  });
});

describe('deletions', () => {
  let person, places;
  before(async () => { person = await world.newPerson(); });
  beforeEach(async () => {
    places = await world.Places.make(person);
    for (const name of ['a.txt', 'b.txt', 'c.dat', 'directory/inner/file'])
      world.write(places.target.directory, name);
    fs.symlinkSync('directory', `${places.target.directory}/link`);
  });
  const left = () => fs.readdirSync(places.target.directory).sort();

  test('remove files, and links without what they lead to', async () => {
    const task = succeeded(await places.delete(['/a.txt', '/link']));
    assert.equal(task.type, 'DELETE');
    assert.equal(task.destination_endpoint_id, null);
    assert.equal(task.recursive_symlinks, null);
    assert.deepEqual(left(), ['b.txt', 'c.dat', 'directory']);
    assert.ok(fs.existsSync(`${places.target.directory}/directory/inner/file`));
  });

  test('remove directories when they are to', async () => {
    succeeded(await places.delete(['/directory'], { recursive: true }));
    assert.deepEqual(left(), ['a.txt', 'b.txt', 'c.dat', 'link']);
  });

  test('expand globs when they are to', async () => {
    succeeded(await places.delete(['/*.txt'], { interpret_globs: true }));
    assert.deepEqual(left(), ['c.dat', 'directory', 'link']);
  });

  test('ignore what is missing when they are to', async () => {
    succeeded(await places.delete(['/nothing', '/a.txt'], { ignore_missing: true }));
    assert.deepEqual(left(), ['b.txt', 'c.dat', 'directory', 'link']);
  });

  test('are answered as transfers are', async () => {
    const payload = { submission_id: randomUUID(), endpoint: places.target.id,
      DATA: [{ DATA_TYPE: 'delete_item', path: '/a.txt' }] };
    const { headers } = person;
    const first = await expect(202, submitDelete({ payload, headers }));
    isResult(first, 'Accepted', 'delete_result');
    const again = await expect(200, submitDelete({ payload, headers }));
    isResult(again, 'Duplicate', 'delete_result');
    assert.equal(again.task_id, first.task_id);
    await places.ended(first.task_id);
    for (const path of ['/', '~', '/../x']) {
      await refused(400, 'ClientError.BadRequest', submitDelete({ headers, payload:
        { ...payload, submission_id: randomUUID(), recursive: true, DATA: [{ path }] } }));
    }
    assert.deepEqual(left(), ['b.txt', 'c.dat', 'directory', 'link']);
  });
});
