/**
 * Expand, then contract (docs/adr/0026-expand-then-contract.md): masters of the previous release run on what the newer
 * migrations leave, so those only add, or say in their head what they take away and since when nobody uses it.
 */
import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { contractionOf, isOlder } from '../../src/database/contracting-migrations.js';
import { contractingStatements, uniqueIndexesOf } from '../support/contracting-statements.js';
import {
  describeWithPreviousRelease,
  migrationsOfPreviousRelease,
  previousText,
  versionOfPreviousRelease,
} from '../support/previous-release.js';

const DIRECTORY = 'src/database/migrations';
const files = readdirSync(join(import.meta.dirname, '../..', DIRECTORY))
  .filter((name) => name.endsWith('.sql'))
  .sort();

describeWithPreviousRelease(() => {
  const released = migrationsOfPreviousRelease();
  const newer = files.filter((file) => !released.includes(file));

  it('keeps what has been released as it was, and in its place', () => {
    expect(released).not.toEqual([]);
    expect(files.slice(0, released.length)).toEqual(released);
    for (const file of released) expect(read(file), file).toBe(previousText(`${DIRECTORY}/${file}`));
  });

  it.each(newer)(
    '%s takes away only what it says, and what the previous release does without (F17)',
    (file) => {
      const sql = read(file);
      const uniqueIndexes = uniqueIndexesOf(files.slice(0, files.indexOf(file)).map(read));
      const found = contractingStatements(sql, { uniqueIndexes });
      const contraction = contractionOf(file, sql);
      if (contraction === undefined) {
        expect(found, 'needs a line `-- contracts: <what>, unused since <version>` in its head').toEqual([]);
      } else {
        expect(found, 'says that it contracts, and does not').not.toEqual([]);
        // A master of the previous release is the oldest that this migration may meet in an upgrade without a stop.
        expect(isOlder(versionOfPreviousRelease(), contraction.unusedSince), contraction.what).toBe(false);
      }
    },
  );
});

describe('a statement that takes something away', () => {
  const before = { uniqueIndexes: new Set(['idx_nodes_name']) };

  it.each([
    'DROP TABLE ffmpeg_master.a',
    'DROP FUNCTION ffmpeg_master.f(date)',
    'ALTER TABLE ffmpeg_master.a DROP COLUMN b',
    'ALTER TABLE ffmpeg_master.a ADD COLUMN c text, DROP b',
    'ALTER TABLE ffmpeg_master.a DROP CONSTRAINT a_pkey',
    'ALTER TABLE ffmpeg_master.a ALTER b DROP DEFAULT',
    'ALTER TABLE ffmpeg_master.a ALTER COLUMN b TYPE bigint',
    'ALTER TABLE ffmpeg_master.a ALTER b SET DATA TYPE bigint',
    'ALTER TABLE ffmpeg_master.a ALTER COLUMN b SET NOT NULL',
    'ALTER TABLE ffmpeg_master.a ADD COLUMN b text NOT NULL',
    'ALTER TABLE ffmpeg_master.a ADD COLUMN b text UNIQUE',
    "ALTER TABLE ffmpeg_master.a ADD COLUMN b text NOT NULL, ADD COLUMN c text DEFAULT ''",
    'ALTER TABLE ffmpeg_master.a ADD CONSTRAINT narrow CHECK (b > 0)',
    'ALTER TABLE ffmpeg_master.a RENAME COLUMN b TO c',
    'ALTER TABLE ffmpeg_master.a RENAME TO c',
    'ALTER TABLE ffmpeg_master.a ENABLE ROW LEVEL SECURITY',
    'CREATE UNIQUE INDEX u ON ffmpeg_master.a (b)',
    'DROP INDEX ffmpeg_master.idx_nodes_address, ffmpeg_master.idx_nodes_name',
    'REVOKE SELECT ON ffmpeg_master.a FROM somebody',
    'DELETE FROM ffmpeg_master.a',
    "DO $$ BEGIN EXECUTE 'DROP TABLE ffmpeg_master.a'; END $$",
    '-- a comment\nDROP /* no */ TABLE\n  ffmpeg_master.a',
    'CREATE TABLE ffmpeg_master.b (n integer); ALTER TABLE ffmpeg_master.a DROP COLUMN n',
  ])('is found: %s', (sql) => {
    expect(contractingStatements(`-- Up Migration\n${sql};\n`, before)).toHaveLength(1);
  });

  it.each([
    'CREATE TABLE ffmpeg_master.b (n integer NOT NULL UNIQUE CHECK (n > 0))',
    'CREATE TABLE ffmpeg_master.b (n integer); ALTER TABLE ffmpeg_master.b ADD CONSTRAINT c CHECK (n > 0); CREATE UNIQUE INDEX u ON ffmpeg_master.b (n)',
    'CREATE INDEX i ON ffmpeg_master.a (b)',
    'DROP INDEX ffmpeg_master.idx_nodes_address',
    'ALTER INDEX ffmpeg_master.i RENAME TO j',
    'ALTER TABLE ffmpeg_master.a ADD COLUMN b text',
    'ALTER TABLE ffmpeg_master.a ADD b integer NOT NULL DEFAULT 0',
    'ALTER TABLE ffmpeg_master.a ADD COLUMN b integer DEFAULT 0 NOT NULL, ADD COLUMN c text',
    'ALTER TABLE ffmpeg_master.a DROP CONSTRAINT a_b_check',
    'ALTER TABLE ffmpeg_master.a ALTER b DROP NOT NULL',
    'ALTER TABLE ffmpeg_master.a SET (fillfactor = 40)',
    "CREATE FUNCTION ffmpeg_master.f() RETURNS void LANGUAGE plpgsql AS $$ BEGIN EXECUTE 'DROP TABLE x'; END $$; REVOKE ALL ON FUNCTION ffmpeg_master.f() FROM PUBLIC",
    'INSERT INTO ffmpeg_master.a VALUES (1)',
    '-- DROP TABLE ffmpeg_master.a\nSELECT 1;\n-- Down Migration\nDROP TABLE ffmpeg_master.b',
  ])('is not seen where nothing goes: %s', (sql) => {
    expect(contractingStatements(`-- Up Migration\n${sql};\n`, before)).toEqual([]);
  });
});

function read(file: string): string {
  return readFileSync(join(import.meta.dirname, '../..', DIRECTORY, file), 'utf8');
}
