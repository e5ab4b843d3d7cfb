import type { Server } from 'node:http'
import type { Socket } from 'node:net'

/**
 * Connections on which no request ever came. An HTTP client that aborts a request opens a spare one, and
 * `server.closeIdleConnections()` does not count it as idle: a close waited 4 s for the client to let go of it.
 */
export function watchUnusedConnections(server: Server): { dropAll(): void } {
  const unused = new Set<Socket>()
  server.on('connection', (socket) => {
    unused.add(socket)
    socket.once('close', () => unused.delete(socket))
  })
  server.on('request', (request) => unused.delete(request.socket))
  return {
    dropAll() {
      for (const socket of unused) socket.destroy()
    },
  }
}
