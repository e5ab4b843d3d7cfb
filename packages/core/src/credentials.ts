import { type Clock, pause } from './clock.ts'
import { AcuseError, ConfigurationError, messageOf } from './errors.ts'

/** Name and password, as the server has them. */
export interface Credentials {
  readonly username: string
  readonly password: string
}

/**
 * Gives what a connection is opened with, as from a vault. Each connection of a transport asks it for itself: before it is opened, and
 * again when it was lost or refused, until it is there. It has 3 s to answer; where it fails or is late, what it gave last is used, and
 * `onError` is told. The first time there is nothing to use: opening fails with `ACUSE_TRANSPORT_UNAVAILABLE`, and is tried again.
 */
export type CredentialsProvider = () => Credentials | Promise<Credentials>

export interface CredentialSourceOptions {
  readonly provider: CredentialsProvider
  /** What they are for, as errors say it: `rabbitmq broker:5672`. */
  readonly server: string
  readonly clock: Clock
  readonly onError: (error: AcuseError) => void
}

/** Less than any client waits for the whole of a connection, so that it is known what took so long. */
const answerWithinMs = 3_000

/** What an adapter's connection asks for its credentials: bounded, one question at a time, with what was given last at hand. */
export class CredentialSource {
  readonly #options: CredentialSourceOptions
  #last: Credentials | undefined
  /** The one before may still stand in what a server or a vault says. */
  #before: Credentials | undefined
  #asking: Promise<Credentials> | undefined
  /** The same failure is told once, until an answer comes. */
  #told = ''

  constructor(options: CredentialSourceOptions) {
    this.#options = options
  }

  /** What was given last: for clients that want it at once. Throws where nothing was given yet. */
  get last(): Credentials {
    if (this.#last === undefined) throw this.#failure('they were not asked for yet')
    return this.#last
  }

  /** Asks anew. Rejects with `ACUSE_TRANSPORT_UNAVAILABLE` only where there is no answer and never was one. */
  ask(): Promise<Credentials> {
    this.#asking ??= this.#ask().finally(() => {
      this.#asking = undefined
    })
    return this.#asking
  }

  /** A text without the passwords that were given last. */
  withoutSecrets(text: string): string {
    return [this.#last, this.#before].reduce(
      (rest, given) => (given === undefined || given.password === '' ? rest : rest.replaceAll(given.password, '***')),
      text,
    )
  }

  async #ask(): Promise<Credentials> {
    try {
      const given = await this.#answer()
      if (given.password !== this.#last?.password) this.#before = this.#last
      this.#last = given
      this.#told = ''
      return given
    } catch (error) {
      const failure = this.#failure(messageOf(error))
      if (this.#last === undefined) throw failure
      if (failure.message !== this.#told) this.#options.onError(failure)
      this.#told = failure.message
      return this.#last
    }
  }

  async #answer(): Promise<Credentials> {
    const { provider, clock } = this.#options
    const answered = new AbortController()
    const late = pause(clock, answerWithinMs, answered.signal).then((): never => {
      throw new Error(`there was no answer within ${answerWithinMs} ms`)
    })
    const asked = async (): Promise<unknown> => provider()
    try {
      const given = await Promise.race([asked(), late])
      if (isCredentials(given)) return { username: given.username, password: given.password }
      throw new Error('what was given is no username and password')
    } finally {
      answered.abort()
    }
  }

  /** Without a cause: what a client of a vault throws often holds what it was asked with. */
  #failure(why: string): AcuseError {
    const text = `${this.#options.server}: its credentials could not be had: ${this.withoutSecrets(why)}; they are asked for again.`
    return new AcuseError('ACUSE_TRANSPORT_UNAVAILABLE', text)
  }
}

/** What an error says where a server refuses name or password; `said` is what it said itself, `option` what is asked for others. */
export function refusedCredentials(said: string, option = '`credentials`'): string {
  return `the server refuses the credentials (let it take them, or give others: by ${option} without a restart): ${said.replace(/[.;]+$/, '')}`
}

/** Throws `ACUSE_CONFIGURATION` where an address has a name or password although `credentials` are given beside it. */
export function assertGivenOnce(adapter: string, address: URL, credentials: CredentialsProvider | undefined): void {
  if (credentials === undefined || (address.username === '' && address.password === '')) return
  throw new ConfigurationError(
    `${adapter}: there are a name or password in the address, and credentials beside it; leave them out of the address.`,
  )
}

function isCredentials(given: unknown): given is Credentials {
  return (
    typeof given === 'object' &&
    given !== null &&
    'username' in given &&
    typeof given.username === 'string' &&
    'password' in given &&
    typeof given.password === 'string'
  )
}
