import { ConfigurationError, CredentialSource, type CredentialsProvider, type TransportContext } from '@acuse/core'
import type { ConnectionOptions as ClientOptions } from '@platformatic/kafka'
import type { ConnectionOptions as TlsOptions } from 'node:tls'

/** How the client proves who it is: name and password as the brokers have them, unless `credentials` gives those. */
export interface KafkaSasl {
  readonly mechanism: 'PLAIN' | 'SCRAM-SHA-256' | 'SCRAM-SHA-512'
  readonly username?: string
  readonly password?: string
}

/** How brokers are reached. */
export interface ReachOptions {
  readonly sasl?: KafkaSasl
  /**
   * Asked for name and password whenever a connection is opened, and when a broker wants them again (`connections.max.reauth.ms`), so that
   * rotated ones need no restart. `sasl` then says the mechanism only. Default: those of `sasl`.
   */
  readonly credentials?: CredentialsProvider
  /** `true`, or certificates and the like as Node's `tls.connect` takes them. */
  readonly tls?: true | TlsOptions
}

/** Who connections say they are. */
export interface Login {
  readonly sasl: ClientOptions['sasl']
  /** Before the first connection. Rejects with `ACUSE_TRANSPORT_UNAVAILABLE` where there are no credentials yet. */
  prepare(): Promise<void>
  withoutSecrets(text: string): string
}

/** Throws `ACUSE_CONFIGURATION` where it is not said, or said twice, who connects. */
export function loginOf(
  brokers: readonly string[],
  { sasl, credentials: provider }: Pick<ReachOptions, 'sasl' | 'credentials'>,
  { clock, onError }: TransportContext,
): Login {
  if (provider === undefined) return fixedLogin(sasl)
  if (sasl === undefined)
    throw new ConfigurationError("kafka: with credentials say how: sasl: { mechanism: 'SCRAM-SHA-512' }.")
  if (sasl.username !== undefined || sasl.password !== undefined)
    throw new ConfigurationError(
      'kafka: name and password are in sasl, and credentials beside it; sasl then has the mechanism only.',
    )
  const source = new CredentialSource({ provider, server: `kafka ${brokers.join(',')}`, clock, onError })
  return {
    sasl: {
      mechanism: sasl.mechanism,
      // The client asks for the one and then, without a pause, for the other.
      username: async () => (await source.ask()).username,
      password: () => source.last.password,
    },
    prepare: async () => void (await source.ask()),
    withoutSecrets: (text) => source.withoutSecrets(text),
  }
}

function fixedLogin(sasl: KafkaSasl | undefined): Login {
  const { username, password } = sasl ?? {}
  if (sasl !== undefined && (username === undefined || password === undefined))
    throw new ConfigurationError('kafka: sasl needs username and password, or credentials beside it.')
  return {
    sasl,
    prepare: async () => undefined,
    withoutSecrets: (text) => (password === undefined || password === '' ? text : text.replaceAll(password, '***')),
  }
}
