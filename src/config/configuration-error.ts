/** Settings that stop the start: each with its key, the value (hidden where it may be a secret) and what is allowed. */

export interface SettingProblem {
  /** The dotted path, `api.port`. */
  readonly key: string;
  /** As a person may see it; absent where no one value is to blame. */
  readonly value?: string;
  /** Where the value stands: `API_PORT in the environment`, `config.yaml`. */
  readonly source?: string;
  /** What is allowed instead, as the end of a sentence. */
  readonly allowed: string;
}

export class ConfigurationError extends Error {
  override readonly name = 'ConfigurationError';

  constructor(readonly problems: readonly SettingProblem[]) {
    super(
      problems.length === 1
        ? `wrong setting: ${problems.map(sentence).join('')}`
        : `${problems.length} wrong settings:${problems.map((problem) => `\n  ${sentence(problem)}`).join('')}`,
    );
  }
}

function sentence({ key, value, source, allowed }: SettingProblem): string {
  const origin = source === undefined ? '' : ` (${source})`;
  return `${key}${value === undefined ? '' : ` is ${value}`}${origin}; allowed: ${allowed}`;
}
