import { ConfigurationError } from '@acuse/core'
import type { ConnectionOptions as ClientOptions } from '@nats-io/transport-node'

/** The servers of one cluster. */
export interface Addresses {
  readonly urls: readonly URL[]
  readonly servers: string[]
  readonly secure: boolean
  readonly credentials: Pick<ClientOptions, 'user' | 'pass' | 'token'>
  /** Without what is secret. */
  readonly hosts: string
}

/** Reads one address, or several with commas between them. Throws `ACUSE_CONFIGURATION`. */
export function addressesOf(url: string): Addresses {
  const urls = url.split(',').map((each) => addressOf(each.trim()))
  const [first] = urls
  const user = decodeURIComponent(first?.username ?? '')
  const pass = decodeURIComponent(first?.password ?? '')
  return {
    urls,
    servers: urls.map(({ host }) => host),
    secure: urls.some(({ protocol }) => protocol === 'tls:'),
    // As NATS' own tools read an address: a name alone is a token.
    credentials: user === '' ? {} : pass === '' ? { token: user } : { user, pass },
    hosts: urls.map(({ host }) => host).join(','),
  }
}

function addressOf(url: string): URL {
  if (!URL.canParse(url)) {
    throw new ConfigurationError(
      'nats: the address is no URL: give nats://user:password@host:4222, or several with commas.',
    )
  }
  const address = new URL(url)
  if (address.protocol !== 'nats:' && address.protocol !== 'tls:') {
    throw new ConfigurationError(`nats: the address begins with ${address.protocol}//; it must be nats:// or tls://.`)
  }
  return address
}
