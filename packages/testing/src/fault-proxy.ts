import { connect, createServer, type Server, type Socket } from 'node:net'
import { once } from 'node:events'

/** What the proxy does to bytes, until told otherwise. */
export type ProxyFault =
  /** Passes everything on. */
  | { readonly kind: 'pass' }
  /** Takes bytes and passes nothing on, while the connection looks alive: to the server, to the client, or both ways. */
  | { readonly kind: 'black-hole'; readonly towards: 'server' | 'client' | 'both' }
  /** Passes bytes on after `delayMs`. */
  | { readonly kind: 'delay'; readonly delayMs: number }
  /** Passes bytes on one at a time. */
  | { readonly kind: 'slices' }
  /** Refuses new connections; those that are open stay. */
  | { readonly kind: 'refuse' }

/** A TCP proxy that stands between a client and a real server, and breaks the network between them on demand. */
export interface FaultProxy extends AsyncDisposable {
  readonly port: number
  /** Connections open now. */
  readonly connections: number
  /**
   * Applies to open and new connections. Bytes that a black hole has taken are gone, and with them, as TCP delivers nothing out of order,
   * all that follows in that direction of their connection.
   */
  set(fault: ProxyFault): void
  /** Ends every open connection with a reset. */
  reset(): void
  /** Ends the server's half of every open connection; the client may still send. */
  halfClose(): void
}

/** Starts a proxy on a free port of the loopback interface, or on `port`. */
export async function startFaultProxy(
  target: { readonly host: string; readonly port: number },
  port = 0,
): Promise<FaultProxy> {
  const pairs = new Set<{ readonly client: Socket; readonly server: Socket }>()
  let fault: ProxyFault = { kind: 'pass' }

  const listener = createServer({ allowHalfOpen: true }, (client) => {
    if (fault.kind === 'refuse') {
      client.resetAndDestroy()
      return
    }
    const server = connect({ ...target, allowHalfOpen: true })
    const pair = { client, server }
    pairs.add(pair)
    forward(client, server, 'server', () => fault)
    forward(server, client, 'client', () => fault)
    for (const socket of [client, server]) {
      socket.on('error', () => end(pair))
      socket.on('close', () => end(pair))
    }
  })
  function end(pair: { readonly client: Socket; readonly server: Socket }): void {
    pairs.delete(pair)
    pair.client.destroy()
    pair.server.destroy()
  }
  listener.listen(port, '127.0.0.1')
  await once(listener, 'listening')

  return {
    port: portOf(listener),
    get connections() {
      return pairs.size
    },
    set: (next) => {
      fault = next
    },
    reset: () => {
      for (const { client, server } of pairs) {
        client.resetAndDestroy()
        server.resetAndDestroy()
      }
    },
    halfClose: () => {
      for (const { client } of pairs) client.end()
    },
    [Symbol.asyncDispose]: async () => {
      for (const pair of [...pairs]) end(pair)
      listener.close()
      if (listener.listening) await once(listener, 'close')
    },
  }
}

function portOf(listener: Server): number {
  const address = listener.address()
  if (address === null || typeof address === 'string') throw new Error('the proxy listens on no port')
  return address.port
}

/** Passes bytes from one socket to the other, as the fault of the moment has it, in order. */
function forward(from: Socket, to: Socket, towards: 'server' | 'client', faultNow: () => ProxyFault): void {
  let previous: Promise<void> = Promise.resolve()
  let swallows = false
  from.on('data', (bytes: Buffer) => {
    const fault = faultNow()
    swallows ||= fault.kind === 'black-hole' && (fault.towards === towards || fault.towards === 'both')
    if (swallows) return
    // At most what came in one read waits here: the sender is held back until it has gone on.
    from.pause()
    // A connection that breaks meanwhile ends both sockets, which is all there is to do.
    previous = previous
      .then(() => passOn(bytes, to, fault))
      .catch(() => undefined)
      .finally(() => from.resume())
  })
  from.on('end', () => {
    // Its end does not arrive either where bytes before it have not.
    previous = previous.then(() => void (swallows || to.end()))
  })
}

async function passOn(bytes: Buffer, to: Socket, fault: ProxyFault): Promise<void> {
  if (fault.kind === 'delay') await new Promise((resolve) => setTimeout(resolve, fault.delayMs))
  const pieces = fault.kind === 'slices' ? Array.from(bytes, (_, index) => bytes.subarray(index, index + 1)) : [bytes]
  for (const piece of pieces) {
    if (to.destroyed) return
    if (fault.kind === 'slices') await new Promise<void>((resolve) => to.write(piece, () => resolve()))
    else if (!to.write(piece)) await Promise.race([once(to, 'drain'), once(to, 'close')])
  }
}
