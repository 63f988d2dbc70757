/** docker-compose.postgres.yml, as compose's own parser reads it: what the migration guide relies on. */
import { execFileSync } from 'node:child_process';
import { existsSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { beforeAll, expect, it } from 'vitest';
import { parse } from 'yaml';
import { describeWith } from '../support/optional-tool.js';

const ROOT = join(import.meta.dirname, '../..');
const FILE = 'docker-compose.postgres.yml';

interface Service {
  image: string;
  container_name?: string;
  command?: string[];
  ports?: string[];
  volumes?: string[];
  environment?: Record<string, string>;
  healthcheck?: { test: string[] };
  depends_on?: Record<string, { condition: string }>;
  build?: { dockerfile: string; target: string };
}

describeWith('docker-compose', '--version', () => {
  let services: Record<string, Service>;
  const service = (name: string): Service => services[name] ?? expect.fail(`There is no service ${name}.`);

  beforeAll(() => {
    services = composed({});
  });

  it('runs PostgreSQL 15 under the name, user and database that the guide types', () => {
    const postgres = service('ffmpeg-postgres');
    expect(postgres.image).toBe('postgres:15-alpine');
    expect(postgres.container_name).toBe('ffmpeg-postgres');
    expect(postgres.environment).toMatchObject({ POSTGRES_USER: 'ffmpeg', POSTGRES_DB: 'ffmpeg_rtmp' });
    expect(postgres.volumes).toEqual(['postgres_data:/var/lib/postgresql/data:rw']);
    expect(postgres.healthcheck?.test).toContain('pg_isready');
  });

  it('runs three masters, the first named ffmpeg-master, which wait for a healthy database', () => {
    const masters = Object.values(services).filter(({ image }) => image.startsWith('ffmpeg-master:'));
    expect(masters.map((master) => master.container_name)).toEqual([
      'ffmpeg-master',
      'ffmpeg-master-2',
      'ffmpeg-master-3',
    ]);
    for (const master of masters) {
      expect(master.depends_on?.['ffmpeg-postgres']?.condition).toBe('service_healthy');
      expect(master.environment?.DATABASE_DSN).toContain('@ffmpeg-postgres:5432/ffmpeg_rtmp');
      expect(master.build?.target).toBe('master');
    }
    expect(service('ffmpeg-master').ports).toEqual(['127.0.0.1:9090:9090/tcp']);
  });

  it('runs two workers, which know the balancer only', () => {
    const workers = Object.values(services).filter(({ build }) => build?.target === 'worker');
    expect(workers).toHaveLength(2);
    for (const worker of workers)
      expect(worker.command).toEqual(['worker', '--master', 'http://balancer:8080']);
    expect(service('balancer').ports).toEqual(['127.0.0.1:8080:8080/tcp']);
  });

  it('mounts and builds files that exist', () => {
    const mounted = (service('balancer').volumes ?? []).map((volume) => `${volume.split(':')[0]}`);
    expect(mounted).toEqual([join(ROOT, 'deploy/haproxy/haproxy.cfg')]);
    for (const path of mounted) expect(existsSync(path)).toBe(true);
    const dockerfile = readFileSync(join(ROOT, service('ffmpeg-master').build?.dockerfile ?? ''), 'utf8');
    for (const target of ['master', 'worker'])
      expect(dockerfile).toMatch(new RegExp(`^FROM .* AS ${target}$`, 'm'));
  });

  it('is open to this machine only, until it is told otherwise', () => {
    for (const { ports = [] } of Object.values(services)) {
      for (const port of ports) expect(port).toMatch(/^127\.0\.0\.1:/);
    }
    expect(composed({ BIND_ADDRESS: '0.0.0.0' }).balancer?.ports).toEqual(['0.0.0.0:8080:8080/tcp']);
  });

  it('uses the password and key of the environment everywhere', () => {
    const text = JSON.stringify(
      composed({ POSTGRES_PASSWORD: 'mine', MASTER_API_KEY: 'my-own-long-enough-key' }),
    );
    expect(text).toContain('postgresql://ffmpeg:mine@');
    expect(text).not.toContain('local-trial-only');
  });
});

/** The services as the parser resolves them; it exits with an error for a file that it does not accept. */
function composed(settings: Record<string, string>): Record<string, Service> {
  const { PATH, HOME } = process.env;
  const env = { PATH, HOME, ...settings };
  const text = execFileSync('docker-compose', ['-f', FILE, 'config'], { cwd: ROOT, env, encoding: 'utf8' });
  return (parse(text) as { services: Record<string, Service> }).services;
}
