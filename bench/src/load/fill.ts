import { Connection } from './connection.js';

export interface Fill {
  readonly urls: readonly string[];
  readonly key: string;
  readonly jobs: number;
}

/** Submits so many jobs through POST /jobs/batch, 1,000 a request, two requests a master at a time. */
export async function fill({ urls, key, jobs }: Fill): Promise<void> {
  let left = jobs;
  const submit = async (url: string) => {
    const connection = new Connection(url, key);
    while (left > 0) {
      const count = Math.min(1000, left);
      left -= count;
      await connection.call('/api/v1/jobs/batch', {
        jobs: Array.from({ length: count }, () => ({ scenario: 'bench' })),
      });
    }
    connection.close();
  };
  await Promise.all([...urls, ...urls].map(submit));
}
