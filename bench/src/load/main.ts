/** The load, in a process of its own: what workers and clients do, over HTTP. */
import { answerCalls } from '../rig/remote-process.js';
import { drain, enroll } from './drain.js';
import { fill } from './fill.js';
import { beaten, startFleet, stopFleet } from './heartbeats.js';
import { beatIdly, burst, latency, park, report } from './parked.js';
import { startStream, stopStream, streamed } from './stream.js';
import { submit } from './submit.js';

export const loadCalls = {
  drain,
  enroll,
  fill,
  startStream,
  streamed,
  stopStream,
  startFleet,
  beaten,
  stopFleet,
  submit,
  park,
  latency,
  burst,
  report,
  beatIdly,
};

export type LoadCalls = typeof loadCalls;

answerCalls(loadCalls);
