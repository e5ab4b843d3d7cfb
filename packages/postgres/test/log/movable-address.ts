import { once } from 'node:events'
import { type AddressInfo, connect, createServer, type Server, type Socket } from 'node:net'

export interface MovableAddress extends AsyncDisposable {
  readonly url: string
  /** From now on it leads there; what is connected is cut off. */
  moveTo(url: string): void
}

/** An address that leads to one server and later to another, as a name does after a failover. With `role`, one whose password is its name. */
export async function movableAddress(url: string, role?: string): Promise<MovableAddress> {
  let target = new URL(url)
  const sockets = new Set<Socket>()
  const server: Server = createServer((client) => {
    const upstream = connect(Number(target.port), target.hostname)
    for (const socket of [client, upstream]) {
      sockets.add(socket)
      socket.on('error', () => undefined)
      socket.on('close', () => {
        sockets.delete(socket)
        client.destroy()
        upstream.destroy()
      })
    }
    client.pipe(upstream).pipe(client)
  })
  server.listen(0, '127.0.0.1')
  await once(server, 'listening')
  const moved = new URL(url)
  if (role !== undefined) moved.username = moved.password = role
  moved.port = String((server.address() as AddressInfo).port)
  const close = (): void => {
    for (const socket of sockets) socket.destroy()
  }
  return {
    url: moved.href,
    moveTo(other) {
      target = new URL(other)
      close()
    },
    async [Symbol.asyncDispose]() {
      close()
      if (!server.listening) return
      server.close()
      await once(server, 'close')
    },
  }
}
