import type { WireMessage } from '@acuse/core'
import { storable } from './texts.ts'

/**
 * 64 bits of a hash of (stream, key), as PostgreSQL's bigint: what messages that wait for each other have in common, whatever the
 * key's length. Two keys that meet in it (even odds among 5 billion keys) only wait for each other. Null without a key.
 */
export function keyHash(message: Pick<WireMessage, 'stream' | 'key'>): string | null {
  if (message.key === null) return null
  return bigintOf(`${storable(message.stream)}\0${storable(message.key)}`)
}

/** The advisory lock under which the first waiting message of a key changes. */
export function keyLock(schema: string, grp: number, hash: string): string {
  return bigintOf(`acuse\0${schema}\0${grp}\0${hash}`)
}

/**
 * Stored, so it must never change. Every message of an ordered group is hashed, and a SHA-256 costs ten times as much.
 *
 * Source: MurmurHash3's 32-bit mixing and finalisation (A. Appleby, public domain), twice, with multipliers of its own for each half.
 */
function bigintOf(text: string): string {
  let high = 0x9747b28c
  let low = text.length
  for (let index = 0; index < text.length; index++) {
    const unit = text.charCodeAt(index)
    high = rotate(high ^ Math.imul(unit, 0xcc9e2d51), 13)
    high = (Math.imul(high, 5) + 0xe6546b64) | 0
    low = rotate(low ^ Math.imul(unit, 0x1b873593), 17)
    low = (Math.imul(low, 9) + 0x85ebca6b) | 0
  }
  const both = (BigInt(finish(high ^ low)) << 32n) | BigInt(finish(low ^ Math.imul(high, 0x2c1b3c6d)) >>> 0)
  return both.toString()
}

function rotate(value: number, bits: number): number {
  return (value << bits) | (value >>> (32 - bits))
}

function finish(value: number): number {
  let mixed = value ^ (value >>> 16)
  mixed = Math.imul(mixed, 0x85ebca6b)
  mixed ^= mixed >>> 13
  mixed = Math.imul(mixed, 0xc2b2ae35)
  return mixed ^ (mixed >>> 16)
}
