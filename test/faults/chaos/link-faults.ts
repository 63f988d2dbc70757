/** Links that fail: between masters and their database, and between clients and masters. */
import type { FaultProxy, LinkPick } from '../rig/fault-proxy.js';
import { isListener, isLockSession, isPool } from '../rig/link-name.js';
import type { ChaosFault, Stage } from './chaos-fault.js';
import { readyMasters } from './master-faults.js';

export const LINK_FAULTS: readonly ChaosFault[] = [
  frozen('F8 lock session frozen', isLockSession),
  frozen('F8 listener frozen', isListener),
  frozen('F8 pool frozen', isPool),
  {
    name: 'F8 database links cut',
    inject: async (stage) => {
      const cut = databaseLinks(stage).reduce((sum, link) => sum + link.cut(), 0);
      return cut > 0 ? `${cut} links` : undefined;
    },
  },
  {
    name: 'F8 one way to the database held',
    inject: async (stage) => {
      const links = databaseLinks(stage);
      const direction = stage.rig.random.pick(['to-server', 'to-client'] as const);
      const before = held(links);
      for (const link of links) link.hold(() => true, [direction]);
      await stage.lasts(stage.between(1_000, 4_000));
      for (const link of links) link.release();
      return held(links) > before ? `${direction}, ${held(links) - before} messages` : undefined;
    },
  },
  {
    name: 'links to the database late',
    inject: async (stage) => {
      const links = databaseLinks(stage);
      const delay = stage.between(20, 150);
      const late = () => links.reduce((sum, { counts }) => sum + counts.late, 0);
      const before = late();
      for (const link of links) link.delay = delay;
      await stage.lasts(5_000);
      for (const link of links) link.delay = 0;
      return late() > before ? `${late() - before} messages by ${delay} ms` : undefined;
    },
  },
  {
    name: 'F9 notifications dropped',
    inject: async (stage) => {
      const links = readyMasters(stage).flatMap((master) => master.links);
      const count = () => links.reduce((sum, { counts }) => sum + counts.notifications, 0);
      const before = count();
      for (const link of links) link.dropsNotifications = true;
      await stage.lasts(6_000);
      for (const link of links) link.dropsNotifications = false;
      return count() > before ? `${count() - before} notifications` : undefined;
    },
  },
  {
    name: 'F18 clients cut off from a master',
    inject: async (stage) => {
      const front = frontOf(stage);
      const before = front.counts.held + front.counts.refused;
      if (stage.rig.random.below(2) === 0) front.hold();
      else {
        front.refuse('reset');
        front.cut();
      }
      await stage.lasts(stage.between(1_000, 5_000));
      front.release();
      front.cut();
      return front.counts.held + front.counts.refused > before ? 'for a while' : undefined;
    },
  },
  ...(['claim', 'report', 'heartbeat', 'jobs'] as const).map((what): ChaosFault => ({
    name: `F24 answer to ${what} lost`,
    inject: async (stage) => {
      const front = frontOf(stage);
      const request = what === 'jobs' ? /^POST \/api\/v1\/jobs/ : new RegExp(`^POST \\S+/${what} `);
      const cut = front.cutAnswerTo(request).then(() => true);
      const before = front.counts.answers_cut;
      await Promise.race([cut, stage.lasts(5_000)]);
      return front.counts.answers_cut > before ? 'after it was carried out' : undefined;
    },
  })),
];

function frozen(name: string, which: LinkPick): ChaosFault {
  return {
    name,
    inject: async (stage) => {
      const links = databaseLinks(stage);
      const count = links.reduce((sum, link) => sum + link.freeze(which), 0);
      await stage.lasts(stage.between(2_000, 8_000));
      // On these links alone: another fault may hold others of this master, or have released these.
      const messages = links.reduce((sum, link) => sum + link.heldNow(which), 0);
      for (const link of links) link.release();
      return count > 0 && messages > 0 ? `${count} links, ${messages} messages` : undefined;
    },
  };
}

function held(links: readonly FaultProxy[]): number {
  return links.reduce((sum, { counts }) => sum + counts.held, 0);
}

/** Of one master, any. */
function databaseLinks(stage: Stage): readonly FaultProxy[] {
  return stage.rig.random.pick(readyMasters(stage)).links;
}

function frontOf(stage: Stage): FaultProxy {
  const { front } = stage.rig.random.pick(readyMasters(stage));
  if (!front) throw new Error('this master has no link to its clients');
  return front;
}
