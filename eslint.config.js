/**
 * Lint rules: the type-checked set of typescript-eslint, for what the compiler cannot see (promises that
 * nobody awaits, values that nobody typed), and the house rules that are about text rather than imports.
 * Imports between folders are dependency-cruiser's business; layout is prettier's.
 */
import eslint from '@eslint/js';
import prettier from 'eslint-config-prettier';
import { defineConfig } from 'eslint/config';
import tseslint from 'typescript-eslint';

const SQL_ELSEWHERE =
  'SQL lives in *.repository.ts (fragments they share in *.sql.ts) or src/database, so that every statement has a name and a place.';
const SQL =
  '/\\b(SELECT|INSERT INTO|UPDATE|DELETE FROM)\\b[\\s\\S]*ffmpeg_master' +
  '|\\b(FROM|JOIN|INTO|UPDATE|VACUUM|ANALYZE|TABLE)\\s+(ONLY\\s+)?ffmpeg_master\\./';

export default defineConfig(
  { ignores: ['dist', 'coverage', '.state', 'bench/node_modules', 'test/toolchain'] },
  eslint.configs.recommended,
  tseslint.configs.recommendedTypeChecked,
  {
    languageOptions: {
      parserOptions: {
        projectService: { allowDefaultProject: ['*.js', '*.ts', '.*.cjs', 'test/{guards,matrix}/*.mjs'] },
        tsconfigRootDir: import.meta.dirname,
      },
    },
    linterOptions: { reportUnusedDisableDirectives: 'error' },
    rules: {
      eqeqeq: ['error', 'always', { null: 'ignore' }],
      'no-console': 'error',
      'no-eval': 'error',
      'no-implied-eval': 'error',
      'prefer-const': 'error',
      // Files with decorators are left alone by this rule: there a class in a signature is a value (metadata).
      '@typescript-eslint/consistent-type-imports': ['error', { fixStyle: 'inline-type-imports' }],
      '@typescript-eslint/no-floating-promises': 'error',
      '@typescript-eslint/no-misused-promises': 'error',
      '@typescript-eslint/return-await': ['error', 'error-handling-correctness-only'],
      '@typescript-eslint/switch-exhaustiveness-check': [
        'error',
        { considerDefaultExhaustiveForUnions: true },
      ],
      '@typescript-eslint/no-unused-vars': [
        'error',
        { argsIgnorePattern: '^_', varsIgnorePattern: '^_', ignoreRestSiblings: true },
      ],
      '@typescript-eslint/restrict-template-expressions': [
        'error',
        { allowNumber: true, allowBoolean: true },
      ],
      // Interfaces of Nest and abstract classes of ours ask for promises that one implementation need not await.
      '@typescript-eslint/require-await': 'off',
      // Nest modules and DTOs are classes without members.
      '@typescript-eslint/no-extraneous-class': 'off',
    },
  },
  {
    files: ['src/**/*.ts'],
    ignores: ['**/*.repository.ts', '**/*.sql.ts', 'src/database/**', '**/*.spec.ts'],
    rules: {
      'no-restricted-syntax': [
        'error',
        { selector: `TemplateElement[value.raw=${SQL}]`, message: SQL_ELSEWHERE },
        { selector: `Literal[value=${SQL}]`, message: SQL_ELSEWHERE },
      ],
    },
  },
  {
    // Commands talk to a person at a terminal; so do scripts.
    files: ['src/commands/**', 'src/main.ts', 'test/**', 'bench/**', 'docs/**', '*.config.*'],
    rules: { 'no-console': 'off' },
  },
  {
    // Tests read answers as they come; typing each JSON body would hide what is being tested.
    files: ['**/*.spec.ts', 'test/**', 'bench/**'],
    rules: {
      '@typescript-eslint/no-unsafe-argument': 'off',
      '@typescript-eslint/no-unsafe-assignment': 'off',
      '@typescript-eslint/no-unsafe-call': 'off',
      '@typescript-eslint/no-unsafe-member-access': 'off',
      '@typescript-eslint/no-unsafe-return': 'off',
      '@typescript-eslint/unbound-method': 'off',
    },
  },
  {
    files: ['**/*.js', '**/*.cjs', '**/*.mjs'],
    ...tseslint.configs.disableTypeChecked,
  },
  {
    files: ['**/*.js', '**/*.cjs', '**/*.mjs'],
    languageOptions: {
      globals: { console: 'readonly', module: 'writable', process: 'readonly', URL: 'readonly' },
    },
  },
  prettier,
);
