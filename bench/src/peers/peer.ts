/** What a drain of a peer is asked and answers. */
export interface PeerDrain {
  readonly dsn: string;
  /** Jobs that wait. */
  readonly jobs: number;
  /** Milliseconds after which a slow drain is cut. */
  readonly within: number;
}

export interface Drained {
  /** Jobs whose completion is committed. */
  readonly jobs: number;
  /** Without the time to connect and to check its tables. */
  readonly seconds: number;
}
