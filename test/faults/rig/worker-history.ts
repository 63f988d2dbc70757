/** Puts what a real worker asks, as a forwarder between it and a master sees it, into the history. */
import type { ClaimAnswer, ClaimRequest } from '../../../src/protocol/claim.js';
import type { HeartbeatAnswer, HeartbeatRequest } from '../../../src/protocol/heartbeat.js';
import type { ReportAnswer, ReportRequest } from '../../../src/protocol/report.js';
import type { History } from './history.js';
import type { Forwarded } from './http-forwarder.js';
import { claimOperation, heartbeatOperation, reportOperation, type NodeCall } from './operations.js';

/**
 * A lease counts from the moment the worker sent its request, which is just before the forwarder has it: the history
 * lets a worker believe in it for longer than it does by that, and a master still counts from later.
 */
export function recordsInto(history: History, by: string): (forwarded: Forwarded) => void {
  return ({ begin, path, body, answer }) => {
    const [, node_id = '', kind] = /^\/api\/v1\/nodes\/([^/]+)\/(claim|heartbeat|report)$/.exec(path) ?? [];
    // Its sender was gone before it had said all: no master has heard of it.
    if (kind === undefined || body === '') return;
    const call = <Body>(): NodeCall<Body> => ({
      by,
      begin,
      node_id,
      reply: answer && { ...answer, body: (answer.body === '' ? {} : JSON.parse(answer.body)) as Body },
    });
    if (kind === 'claim') {
      const { claim_id } = JSON.parse(body) as ClaimRequest;
      history.add(claimOperation(call<ClaimAnswer>(), claim_id));
    } else if (kind === 'heartbeat') {
      const { attempts = [] } = JSON.parse(body) as HeartbeatRequest;
      history.add(heartbeatOperation(call<HeartbeatAnswer>(), attempts));
    } else {
      const { results, claim } = JSON.parse(body) as ReportRequest;
      history.add(reportOperation(call<ReportAnswer>(), results, claim));
    }
  };
}
