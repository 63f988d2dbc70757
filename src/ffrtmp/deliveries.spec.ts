import { EventEmitter } from 'node:events';
import type { ServerResponse } from 'node:http';
import { afterEach, beforeEach, expect, it, vi } from 'vitest';
import { Deliveries } from './deliveries.js';

const DOUBT = 5_000;
const SETTLED = 1_500;
let deliveries: Deliveries;
let socket: EventEmitter & { destroyed: boolean };
let response: ServerResponse;
let read: number;

beforeEach(() => {
  vi.useFakeTimers();
  deliveries = new Deliveries(DOUBT, SETTLED);
  socket = Object.assign(new EventEmitter(), { destroyed: false });
  response = Object.assign(new EventEmitter(), { socket }) as unknown as ServerResponse;
  read = 0;
});
afterEach(() => {
  deliveries.close();
  vi.useRealTimers();
});

const watch = (keeps = true) =>
  deliveries.watch('c', response, keeps, async () => {
    read += 1;
  });
const finish = () => (response as unknown as EventEmitter).emit('finish');

function cut(): void {
  socket.destroyed = true;
  socket.emit('close');
}

it('takes an answer as read that was written to a connection which stays open', async () => {
  watch();
  expect(deliveries.isOpen('c')).toBe(false);
  finish();
  expect(deliveries.isOpen('c')).toBe(true);
  await vi.advanceTimersByTimeAsync(SETTLED - 1);
  expect(read).toBe(0);
  await vi.advanceTimersByTimeAsync(1);
  expect(read).toBe(1);
  expect(deliveries.isOpen('c')).toBe(false);
  await vi.advanceTimersByTimeAsync(10_000);
  expect(read).toBe(1);
  expect(socket.listenerCount('close')).toBe(0);
});

it('leaves one in doubt whose connection was closed behind it, for as long as it may be asked for again', async () => {
  watch();
  finish();
  await vi.advanceTimersByTimeAsync(300);
  cut();
  expect(deliveries.isOpen('c')).toBe(false);
  await vi.advanceTimersByTimeAsync(DOUBT);
  expect(read).toBe(0);
  await vi.advanceTimersByTimeAsync(SETTLED);
  expect(read).toBe(1);
});

it('does so where the connection was closed before the answer was written', async () => {
  watch();
  cut();
  finish();
  await vi.advanceTimersByTimeAsync(DOUBT - 1);
  expect([read, deliveries.isOpen('c')]).toEqual([0, false]);
  await vi.advanceTimersByTimeAsync(1);
  expect(read).toBe(1);
});

it('does not doubt a client that closes after each answer', async () => {
  watch(false);
  finish();
  cut();
  await vi.advanceTimersByTimeAsync(1);
  expect(read).toBe(1);
});

it('tells of nothing that was not written, nor after its end', async () => {
  watch();
  await vi.advanceTimersByTimeAsync(60_000);
  finish();
  deliveries.close();
  await vi.advanceTimersByTimeAsync(60_000);
  expect(read).toBe(0);
});

it('takes an answer that is being made for no lost one, until its connection ends or it was handed back', async () => {
  deliveries.begin('c', response);
  expect(deliveries.isOpen('c')).toBe(true);
  deliveries.drop('c');
  expect(deliveries.isOpen('c')).toBe(false);
  deliveries.begin('c', response);
  Object.assign(response, { writableFinished: false });
  (response as unknown as EventEmitter).emit('close');
  expect(deliveries.isOpen('c')).toBe(false);
  deliveries.begin('c', response);
  watch();
  Object.assign(response, { writableFinished: true });
  finish();
  (response as unknown as EventEmitter).emit('close');
  expect(deliveries.isOpen('c')).toBe(true);
  cut();
  expect(deliveries.isOpen('c')).toBe(false);
});
