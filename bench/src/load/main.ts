/** The load, in a process of its own: what workers and clients do, over HTTP. */
import { answerCalls } from '../rig/remote-process.js';
import { drain, enroll } from './drain.js';
import { fill } from './fill.js';

export const loadCalls = { drain, enroll, fill };

export type LoadCalls = typeof loadCalls;

answerCalls(loadCalls);
