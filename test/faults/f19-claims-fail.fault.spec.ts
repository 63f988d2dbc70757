import { execFileSync } from 'node:child_process';
import { mkdtempSync, rmSync, statfsSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { giveTo, serverAccount } from '../../src/database/embedded/server-account.js';
import { eventually } from '../support/eventually.js';
import { DEMANDED } from './rig/master.js';
import { describeWhere } from './rig/needs.js';
import { Rig } from './rig/rig.js';

describe('a claim that the server breaks off', () => {
  let rig: Rig;

  beforeAll(async () => {
    rig = await Rig.start({ masters: 2 });
  });

  afterAll(() => rig.stop());

  it('by its statement timeout: nothing of it happened, and it is asked again (F19, I1, I2)', async () => {
    rig.addWorkers(3, { roams: true });
    rig.load({ perSecond: 5 });
    await rig.worksOn();
    await rig.admin(`CREATE FUNCTION public.slow() RETURNS trigger LANGUAGE plpgsql AS
      'BEGIN PERFORM pg_sleep(30); RETURN NEW; END'`);
    await rig.admin(
      'CREATE TRIGGER slow BEFORE INSERT ON ffmpeg_master.leases FOR EACH ROW EXECUTE FUNCTION public.slow()',
    );
    rig.history.fault('F19', 'leases are inserted too slowly');
    const late =
      /canceling statement due to statement timeout[^]*?STATEMENT:[^]*?INSERT INTO ffmpeg_master\.leases/;
    await eventually(async () => expect(await rig.database.logs()).toMatch(late), { within: 30_000 });
    for (const master of rig.masters) expect(await master.probe('/health/live', DEMANDED)).toBe(200);
    await rig.admin('DROP TRIGGER slow ON ffmpeg_master.leases');
    await rig.worksOn();
    await rig.peace();
  });
});

describeWhere('a disk that is full', mayMount() ? [] : ['the right to mount a tmpfs'], () => {
  let rig: Rig;
  const disk = mkdtempSync(join(tmpdir(), 'ffmpeg-master-disk-'));

  beforeAll(async () => {
    execFileSync('mount', ['-t', 'tmpfs', '-o', 'size=32m,mode=0777', 'tmpfs', disk]);
    await giveTo(await serverAccount(), disk);
    rig = await Rig.start({ masters: 2 });
    await rig.admin(`CREATE TABLESPACE small LOCATION '${disk}'`);
    await rig.admin('ALTER TABLE ffmpeg_master.leases SET TABLESPACE small');
  });

  afterAll(async () => {
    await rig.stop();
    execFileSync('umount', ['-l', disk]);
    rmSync(disk, { recursive: true, force: true });
  });

  it('in the claim: masters say so, nothing is lost, and work goes on once there is room (F19, I1, I2)', async () => {
    rig.addWorkers(2, { roams: true, workMs: () => 5 });
    const load = rig.load({ perSecond: 10 });
    await rig.worksOn();
    const { bavail, bsize } = statfsSync(disk);
    writeFileSync(join(disk, 'filler'), Buffer.alloc(bavail * bsize));
    rig.history.fault('F19', 'the disk is full');
    // Pages that are there are used first: so many leases at once need new ones.
    rig.addWorkers(4, { slots: 100, workMs: () => 4_000, queues: ['batch'] });
    const more = rig.load({
      perSecond: 20,
      batch: 50,
      job: (k) => ({ scenario: `many ${k}`, queue: 'batch' }),
    });
    // More than all slots, and no more: what is submitted until a busy machine fills the disk must be worked off after.
    await eventually(() => expect(more.jobIds.length).toBeGreaterThanOrEqual(1_000), { within: 60_000 });
    await more.stop();
    const full = /No space left on device[^]*?STATEMENT:[^]*?INSERT INTO ffmpeg_master\.leases/;
    await eventually(async () => expect(await rig.database.logs()).toMatch(full), { within: 60_000 });
    for (const master of rig.masters) expect(await master.probe('/health/live', DEMANDED)).toBe(200);
    rmSync(join(disk, 'filler'));
    await rig.worksOn();
    await load.stop();
    await rig.peace();
  });
});

function mayMount(): boolean {
  if (process.platform !== 'linux' || process.getuid?.() !== 0) return false;
  const probe = mkdtempSync(join(tmpdir(), 'ffmpeg-master-mount-'));
  try {
    execFileSync('mount', ['-t', 'tmpfs', '-o', 'size=1m', 'tmpfs', probe], { stdio: 'ignore' });
    execFileSync('umount', [probe], { stdio: 'ignore' });
    return true;
  } catch {
    return false;
  } finally {
    rmSync(probe, { recursive: true, force: true });
  }
}
