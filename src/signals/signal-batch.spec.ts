import { describe, expect, it } from 'vitest';
import { readPayload, SignalBatch } from './signal-batch.js';

describe('a batch of signals', () => {
  it('adds up what concerns the same thing and keeps the rest apart', () => {
    const batch = new SignalBatch();
    batch.add('lane', '12', 1);
    batch.add('lane', '12', 2);
    batch.add('lane', '13', 1);
    batch.add('node', '12', 1);
    const [payload = '', ...others] = batch.drain('me');
    expect(others).toEqual([]);
    expect(readPayload(payload)).toEqual({
      sender: 'me',
      signals: [
        { topic: 'lane', key: '12', count: 3 },
        { topic: 'lane', key: '13', count: 1 },
        { topic: 'node', key: '12', count: 1 },
      ],
    });
    expect(batch.isEmpty).toBe(true);
  });

  it('keeps only the earliest due time', () => {
    const batch = new SignalBatch();
    for (const due of ['2000', '900', '1500']) batch.add('due', due, 1);
    expect(readPayload(batch.drain('me')[0] ?? '')?.signals).toEqual([
      { topic: 'due', key: '900', count: 1 },
    ]);
  });

  it('splits what PostgreSQL would not take in one payload, and loses nothing', () => {
    const batch = new SignalBatch();
    for (let i = 0; i < 1_000; i += 1)
      batch.add('event', `01890000-0000-7000-8000-0000${String(i).padStart(8, '0')}é`, 1);
    const payloads = batch.drain('me');
    expect(payloads.length).toBeGreaterThan(1);
    for (const payload of payloads) expect(Buffer.byteLength(payload)).toBeLessThan(8_000);
    expect(payloads.flatMap((payload) => readPayload(payload)?.signals ?? [])).toHaveLength(1_000);
  });

  it('takes no more once it is a backlog', () => {
    const batch = new SignalBatch();
    let taken = 0;
    for (let i = 0; i < 20_000; i += 1) taken += batch.add('event', String(i), 1) ? 1 : 0;
    expect(taken).toBe(10_000);
  });

  it.each(['', 'x', '1', 'null', '{}', '{"from":1,"signals":[]}', '{"from":"a"}'])(
    'reads the foreign payload %j as none',
    (payload) => expect(readPayload(payload)).toBeUndefined(),
  );

  it('leaves out single signals that it does not know, as an older master must', () => {
    const payload =
      '{"from":"a","signals":[["future","1",1],["lane",1,1],["lane","1","1"],7,["lane","1",1]]}';
    expect(readPayload(payload)?.signals).toEqual([{ topic: 'lane', key: '1', count: 1 }]);
  });
});
