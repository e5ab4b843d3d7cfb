import {
  type AcuseError,
  assertGivenOnce,
  type Clock,
  ConfigurationError,
  CredentialSource,
  type CredentialsProvider,
} from '@acuse/core'
import {
  type Authenticator,
  AuthorizationError,
  type ConnectionOptions as ClientOptions,
  UserAuthenticationExpiredError,
} from '@nats-io/transport-node'
import type { Addresses } from './addresses.ts'

const reconnectEveryMs = 200
/** Where the server refuses who connects: neither it nor who gives the credentials is asked five times a second for hours. */
const longestReconnectMs = 5_000
const mostDoublings = 10

export interface LoginOptions {
  readonly authenticator: Authenticator | undefined
  readonly credentials: CredentialsProvider | undefined
  readonly clock: Clock
  readonly onError: (error: AcuseError) => void
}

/** Who a connection says it is, at each try, and how soon it tries again. */
export class Login {
  /** What the client asks at each try, and wants answered at once. */
  readonly client: Pick<ClientOptions, 'user' | 'pass' | 'token' | 'authenticator' | 'reconnectDelayHandler'>
  readonly #source: CredentialSource | undefined
  #refusals = 0

  /** Throws `ACUSE_CONFIGURATION` where it is said twice who connects. */
  constructor({ urls, hosts, credentials }: Addresses, options: LoginOptions) {
    const { credentials: provider, authenticator, clock, onError } = options
    const reconnectDelayHandler = (): number => this.#pauseMs
    if (provider === undefined) {
      this.client = { ...credentials, ...(authenticator === undefined ? {} : { authenticator }), reconnectDelayHandler }
      return
    }
    for (const url of urls) assertGivenOnce('nats', url, provider)
    if (authenticator !== undefined)
      throw new ConfigurationError('nats: give credentials or an authenticator, not both.')
    const source = new CredentialSource({ provider, server: `nats ${hosts}`, clock, onError })
    this.#source = source
    this.client = {
      authenticator: () => ({ user: source.last.username, pass: source.last.password }),
      reconnectDelayHandler,
    }
  }

  /**
   * Gets what the next try says. The client does not wait for it: an answer that comes after its pause, of 200 ms at first, serves the try
   * after the next. Rejects only the first time, with `ACUSE_TRANSPORT_UNAVAILABLE`.
   */
  async renew(): Promise<void> {
    await this.#source?.ask()
  }

  refused(): void {
    this.#refusals = Math.min(this.#refusals + 1, mostDoublings)
    void this.renew()
  }

  accepted(): void {
    this.#refusals = 0
  }

  /** Those that were cut off together do not come back together. */
  get #pauseMs(): number {
    const pauseMs = Math.min(reconnectEveryMs * 2 ** this.#refusals, longestReconnectMs)
    return pauseMs * (1 + Math.random() / 2)
  }
}

/** Whether an error of the client is about who connects. */
export function isAboutWho(error: unknown): boolean {
  return error instanceof AuthorizationError || error instanceof UserAuthenticationExpiredError
}
