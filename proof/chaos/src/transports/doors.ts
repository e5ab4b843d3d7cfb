import type { Door } from './transport.ts'

/** Doors before which a proxy may stand anywhere. */
export function doorsOf(nodes: readonly { readonly port: number }[]): readonly Door[] {
  return nodes.map(({ port }) => ({ host: '127.0.0.1', port, proxyPort: 0 }))
}

/** An address with another port. */
export function urlAtPort(url: string, port: number | undefined): string {
  return Object.assign(new URL(url), { port: String(port) }).href
}
