import { ConfigurationError } from './errors.ts'

/** PostgreSQL cuts identifiers at 63 bytes, the narrowest of the five transports. */
const longestNameBytes = 63
const namePattern = /^[A-Za-z][A-Za-z0-9._-]*$/

/**
 * Throws `ACUSE_CONFIGURATION` for a name that some transport would read as a wildcard, a quote or a path.
 * Allowed: a letter, then letters, digits, `.`, `_` and `-`; at most 63 bytes.
 */
export function checkName(kind: string, name: string): void {
  if (Buffer.byteLength(name) > longestNameBytes) {
    throw new ConfigurationError(
      `${kind} "${name.slice(0, 70)}" is ${Buffer.byteLength(name)} bytes long; at most ${longestNameBytes} are allowed.`,
    )
  }
  if (!namePattern.test(name)) {
    throw new ConfigurationError(
      `${kind} ${JSON.stringify(name)} is not a valid name: a letter, then letters, digits, ".", "_" or "-".`,
    )
  }
}

/** Throws `ACUSE_CONFIGURATION` unless `value` is a finite number of at least `least`. */
export function checkAtLeast(setting: string, value: number, least: number): void {
  if (!Number.isFinite(value) || value < least) {
    throw new ConfigurationError(`${setting} must be a finite number of at least ${least}, not ${value}.`)
  }
}
