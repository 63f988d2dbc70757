import type { IncomingHttpHeaders } from 'node:http';

/** Programs that open a connection for each request, and close it whatever came back. */
const ONE_SHOT = /^(curl|wget|httpie|python|powershell)/i;

/** Whether a closed connection tells that an answer may have got lost: agents of ffmpeg-rtmp keep theirs open. */
export function keepsConnections({ connection, 'user-agent': agent = '' }: IncomingHttpHeaders): boolean {
  return connection?.toLowerCase() !== 'close' && !ONE_SHOT.test(agent);
}
