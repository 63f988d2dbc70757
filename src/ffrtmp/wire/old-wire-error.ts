import { Problem } from '../../protocol/problem.js';

/** An error whose text the clients of ffmpeg-rtmp know: it is answered as it stands, in plain text. */
export class OldWireError extends Problem {
  constructor(status: number, text: string, cause?: unknown) {
    super({ status, kind: 'old-wire', title: 'ffmpeg-rtmp', detail: text, cause });
  }
}

export function invalidBody(): OldWireError {
  return new OldWireError(400, 'Invalid request body');
}
