/**
 * The floors of the house. Imports run down this list, never up and never in circles; a folder that is
 * not on the list has no place in src. `npm run lint` checks it, test/repository shows that each rule bites.
 */
const FLOORS = [
  ['commands'],
  ['api'],
  ['worker'],
  ['ffrtmp'],
  ['duties'],
  ['health'],
  ['dispatch'],
  ['nodes'],
  ['jobs'],
  ['access'],
  ['leadership'],
  ['signals'],
  ['database'],
  ['metrics', 'logging'],
  ['config'],
  ['protocol'],
];
const SPEC = '\\.spec\\.ts$';

const downwards = FLOORS.slice(1).map((rooms, above) => ({
  name: `${rooms.join('-and-')}-imports-only-downwards`,
  comment: `Declare an interface in ${rooms.join(' or ')} and implement it above.`,
  severity: 'error',
  from: { path: `^src/(${rooms.join('|')})/` },
  to: {
    path: `^src/(main\\.ts$|(${FLOORS.slice(0, above + 1)
      .flat()
      .join('|')})/)`,
  },
}));

/** @type {import('dependency-cruiser').IConfiguration} */
module.exports = {
  forbidden: [
    ...downwards,
    {
      name: 'main-picks-a-command',
      comment: 'main.ts imports commands and nothing else of src, and nothing imports it.',
      severity: 'error',
      from: { path: '^src/main\\.ts$' },
      to: { path: '^src/(?!commands/)' },
    },
    {
      name: 'nothing-imports-main',
      severity: 'error',
      from: { path: '^src/', pathNot: '^src/main\\.ts$' },
      to: { path: '^src/main\\.ts$' },
    },
    {
      name: 'worker-knows-only-the-protocol',
      comment: 'A worker runs on another machine: it speaks to masters by HTTP alone.',
      severity: 'error',
      from: { path: '^src/worker/' },
      to: { path: '^src/(?!(worker|protocol|config|logging|metrics)/)' },
    },
    {
      name: 'protocol-imports-nothing-of-src',
      severity: 'error',
      from: { path: '^src/protocol/' },
      to: { path: '^src/(?!protocol/)' },
    },
    {
      name: 'every-file-has-a-room',
      comment: 'A new folder of src is a decision: add it to FLOORS and to docs/adr.',
      severity: 'error',
      from: {},
      to: { path: `^src/(?!(${FLOORS.flat().join('|')})/)`, pathNot: '^src/main\\.ts$' },
    },
    {
      name: 'no-grab-bags',
      comment: 'Name a file after what it is about; util, common and helpers are about nothing.',
      severity: 'error',
      from: {},
      to: { path: '/(util|utils|common|helper|helpers)[./]', pathNot: 'node_modules' },
    },
    { name: 'no-circles', severity: 'error', from: { path: '^(src|test)/' }, to: { circular: true } },
    {
      name: 'source-does-not-import-tests',
      severity: 'error',
      from: { path: '^src/', pathNot: SPEC },
      to: { path: `^test/|${SPEC}` },
    },
    {
      name: 'only-declared-dependencies',
      comment: 'A package that src imports stands in "dependencies": the production image has no others.',
      severity: 'error',
      from: { path: '^src/', pathNot: SPEC },
      to: {
        dependencyTypes: ['npm-dev', 'npm-no-pkg', 'npm-unknown'],
        dependencyTypesNot: ['type-only'],
        pathNot: '/node_modules/@types/',
      },
    },
    {
      name: 'no-dangling-imports',
      severity: 'error',
      from: { path: '^(src|test)/' },
      to: { couldNotResolve: true },
    },
  ],
  options: {
    doNotFollow: { path: 'node_modules' },
    exclude: { path: '^(dist|test/toolchain)/' },
    tsConfig: { fileName: 'tsconfig.json' },
    // Type imports count: a type borrowed from above is still knowledge of above.
    tsPreCompilationDeps: true,
    enhancedResolveOptions: {
      exportsFields: ['exports'],
      conditionNames: ['import', 'require', 'node', 'default', 'types'],
    },
  },
};
