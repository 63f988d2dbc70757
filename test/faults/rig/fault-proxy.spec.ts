import { connect, createServer, type AddressInfo, type Socket } from 'node:net';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { eventually } from '../../support/eventually.js';
import { FaultProxy } from './fault-proxy.js';
import { nameOfStartUp } from './link-name.js';
import { NotificationFilter } from './notification-filter.js';

/** An echo, whose connections the test can look at. */
const accepted: Socket[] = [];
const echo = createServer((socket) => {
  accepted.push(socket);
  socket.on('error', () => undefined);
  socket.pipe(socket);
});
let proxy: FaultProxy;

beforeEach(async () => {
  accepted.length = 0;
  if (!echo.listening) await new Promise<void>((resolve) => echo.listen(0, '127.0.0.1', resolve));
  proxy = await FaultProxy.start({ host: '127.0.0.1', port: (echo.address() as AddressInfo).port });
});

afterEach(async () => {
  await proxy.close();
  for (const socket of accepted) socket.destroy();
});

describe('a link that fails', () => {
  it('forwards, under the name of its first line', async () => {
    const client = await open();
    await client.says('GET /a HTTP/1.1\r\n');
    expect(client.heard).toBe('GET /a HTTP/1.1\r\n');
    expect(proxy.names).toEqual(['GET /a HTTP/1.1']);
  });

  it('holds what is chosen and nothing else, keeps it open, and forwards it on release', async () => {
    const [one, other] = [await open(), await open()];
    await one.says('one\r\n');
    await other.says('other\r\n');
    expect(proxy.hold((name) => name === 'one')).toBe(1);
    one.socket.write('more');
    await other.says('more');
    await eventually(() => expect(proxy.counts.held).toBe(1));
    expect(one.heard).toBe('one\r\n');
    expect(one.socket.destroyed).toBe(false);
    expect([proxy.heldNow((name) => name === 'one'), proxy.heldNow((name) => name === 'other')]).toEqual([
      1, 0,
    ]);
    proxy.release();
    expect(proxy.heldNow()).toBe(0);
    await eventually(() => expect(one.heard).toBe('one\r\nmore'));
  });

  it('holds one way only', async () => {
    const client = await open();
    await client.says('a\r\n');
    proxy.hold(() => true, ['to-client']);
    client.socket.write('b');
    await eventually(() => expect(proxy.counts.held).toBe(1));
    expect(accepted[0]?.bytesRead).toBe(4);
    expect(client.heard).toBe('a\r\n');
  });

  it('swallows the end of a connection too', async () => {
    const client = await open();
    await client.says('a\r\n');
    proxy.hold();
    client.socket.destroy();
    const another = await open();
    another.socket.write('b\r\n');
    await eventually(() => expect(proxy.counts.held).toBe(1));
    expect(accepted[0]?.destroyed).toBe(false);
  });

  it('strands one side without telling the other', async () => {
    const client = await open();
    await client.says('a\r\n');
    expect(proxy.strand('client')).toBe(1);
    await eventually(() => expect(client.socket.destroyed).toBe(true));
    expect(accepted[0]?.destroyed).toBe(false);
  });

  it('cuts both sides', async () => {
    const client = await open();
    await client.says('a\r\n');
    expect(proxy.cut()).toBe(1);
    await eventually(() => expect([client.socket.destroyed, accepted[0]?.destroyed]).toEqual([true, true]));
  });

  it('cuts when the answer to a chosen request comes, which then was carried out', async () => {
    const client = await open();
    const cut = proxy.cutAnswerTo(/^second/);
    await client.says('first\r\n');
    client.socket.write('second');
    await cut;
    expect(accepted[0]?.bytesRead).toBe('first\r\nsecond'.length);
    expect(client.heard).toBe('first\r\n');
    await eventually(() => expect(client.socket.destroyed).toBe(true));
  });

  it('is late by as much as it is told', async () => {
    const client = await open();
    proxy.delay = 60;
    const began = performance.now();
    await client.says('late');
    expect(performance.now() - began).toBeGreaterThan(115);
  });

  it('refuses new connections with a reset, or leaves them unanswered', async () => {
    proxy.refuse('reset');
    const client = await open();
    await eventually(() => expect(client.socket.destroyed).toBe(true));
    proxy.refuse('silent');
    const silent = await open();
    silent.socket.write('a');
    await eventually(() => expect(proxy.counts.refused).toBe(2));
    expect(silent.heard).toBe('');
    silent.socket.destroy();
  });
});

describe('links to PostgreSQL', () => {
  it('are named as their clients name themselves', () => {
    const words = Buffer.from('user\0me\0application_name\0ffmpeg-master lock\0\0');
    const head = Buffer.alloc(8);
    head.writeInt32BE(8 + words.length, 0);
    head.writeInt32BE(196_608, 4);
    expect(nameOfStartUp(Buffer.concat([head, words]))).toBe('ffmpeg-master lock');
  });

  it('lose notifications and nothing else, however the bytes are cut', () => {
    let dropped = 0;
    const filter = new NotificationFilter(
      () => true,
      () => (dropped += 1),
    );
    const all = Buffer.concat([message('C', 'LISTEN'), message('A', 'news'), message('Z', 'I')]);
    const kept = [...all].map((byte) => filter.filter(Buffer.from([byte])));
    expect(Buffer.concat(kept)).toEqual(Buffer.concat([message('C', 'LISTEN'), message('Z', 'I')]));
    expect(dropped).toBe(1);
  });
});

function message(type: string, text: string): Buffer {
  const head = Buffer.alloc(5);
  head.write(type);
  head.writeInt32BE(4 + text.length, 1);
  return Buffer.concat([head, Buffer.from(text)]);
}

async function open() {
  const socket = connect(proxy.port, '127.0.0.1');
  socket.on('error', () => undefined);
  await new Promise<void>((resolve) => socket.once('connect', resolve).once('close', () => resolve()));
  const client = {
    socket,
    heard: '',
    /** Sends, and waits until as much came back. */
    async says(text: string): Promise<void> {
      const wanted = client.heard.length + text.length;
      socket.write(text);
      await eventually(() => expect(client.heard.length).toBe(wanted));
    },
  };
  socket.setEncoding('utf8').on('data', (text: string) => (client.heard += text));
  return client;
}
