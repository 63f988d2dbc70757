import { describe, expect, it } from 'vitest';
import { isInternal } from './rtmp-destinations.js';
import { rtmpTarget } from './rtmp-target.js';

const target = (rtmp_url: string, ...rtmpHosts: string[]) =>
  rtmpTarget({ rtmp_url }, { jobId: 'job', rtmpHosts, defaultHost: 'master' });

describe('where a stream may go', () => {
  it.each([
    ['rtmp://203.0.113.5/live/x', ['203.0.113.5'], 'rtmp://203.0.113.5:1935/live/x'],
    ['rtmp://203.0.113.5:1936/live/x', ['203.0.113.5:1936'], 'rtmp://203.0.113.5:1936/live/x'],
    ['rtmp://127.0.0.1/live/x', ['127.0.0.1'], 'rtmp://127.0.0.1:1935/live/x'],
    ['rtmp://127.0.0.1:1936/live/x', ['127.0.0.1:1936'], 'rtmp://127.0.0.1:1936/live/x'],
    ['rtmp://[::1]/live/x', ['::1'], 'rtmp://[::1]:1935/live/x'],
    ['rtmp://[::1]:1936/live/x', ['[::1]:1936'], 'rtmp://[::1]:1936/live/x'],
    ['rtmp://LOCALHOST/live/x', ['localhost:1935'], /^rtmp:\/\/(127\.0\.0\.1|\[::1\]):1935\/live\/x$/],
    ['rtmp://localhost/live/x', ['localhost', '127.0.0.1', '::1'], /:1935\/live\/x$/],
  ])('%s with %j listed', async (url, listed, wanted) => {
    expect((await target(url, ...listed)).url).toMatch(wanted);
  });

  it.each([
    ['rtmp://203.0.113.5:22/live/x', ['203.0.113.5'], /port 22/],
    ['rtmp://203.0.113.5/live/x', ['203.0.113.5:1936'], /port 1935/],
    ['rtmp://127.0.0.1:6379/live/x', ['127.0.0.1', '127.0.0.1:1936'], /port 6379/],
    ['rtmp://localhost/live/x', ['localhost'], /internal address/],
    ['rtmp://localhost/live/x', ['localhost', '127.0.0.1:1936', '[::1]:1936'], /internal address/],
    ['rtmp://169.254.169.254/live/x', ['example.org'], /not among/],
    ['rtmp://203.0.113.5/live/x', [], /sends no RTMP/],
  ])('not %s with %j listed', async (url, listed, words) => {
    await expect(target(url, ...listed)).rejects.toThrow(words);
  });
});

it.each([
  [
    '127.8.8.8',
    '169.254.169.254',
    '10.1.2.3',
    '172.31.0.1',
    '192.168.1.1',
    '100.64.0.1',
    '0.0.0.0',
    '239.1.1.1',
  ],
  [
    '::1',
    '::',
    'fe80::1',
    'fe80::1%eth0',
    'fd00:ec2::254',
    '::ffff:127.0.0.1',
    '::ffff:a9fe:a9fe',
    '64:ff9b::7f00:1',
  ],
])('knows %s and the like as internal', (...addresses) => {
  expect(addresses.filter((address) => !isInternal(address))).toEqual([]);
  expect(['8.8.8.8', '172.32.0.1', '2606:4700::1', '::ffff:8.8.8.8'].filter(isInternal)).toEqual([]);
});
