import { AcuseError } from './errors.ts'

/** Deeper nesting overflows the stack of common validators and of `JSON.stringify` itself (seen at about 7,000). */
const deepest = 100

/**
 * Encodes a JSON value strictly: what would change or vanish on the way is refused.
 * Throws `ACUSE_UNENCODABLE` with the path for BigInt, functions, symbols, cycles, NaN and infinities, NUL characters, lone surrogates,
 * and nesting beyond 100 levels. `undefined` properties are left out and dates become ISO text, as in `JSON.stringify`.
 */
export function encodeJson(value: unknown, subject: string): Buffer {
  const problem = findProblem(value, '', [])
  if (problem !== undefined) throw new AcuseError('ACUSE_UNENCODABLE', `${subject} cannot be encoded: ${problem}.`)
  const text = JSON.stringify(value)
  return Buffer.from(text === undefined ? 'null' : text)
}

function findProblem(value: unknown, path: string, ancestors: object[]): string | undefined {
  switch (typeof value) {
    case 'string':
      return problemOfText(value, path)
    case 'number':
      return Number.isFinite(value) ? undefined : `${place(path)} is ${value}, which JSON cannot hold`
    case 'bigint':
      return `${place(path)} is a BigInt; send it as a string`
    case 'function':
    case 'symbol':
      return `${place(path)} is a ${typeof value}`
    case 'object':
      return value === null ? undefined : problemOfObject(value, path, ancestors)
    default:
      return undefined
  }
}

function problemOfObject(value: object, path: string, ancestors: object[]): string | undefined {
  if (ancestors.includes(value)) return `${place(path)} refers back to itself`
  if (ancestors.length >= deepest) return `${place(path)} is nested more than ${deepest} levels deep`
  if ('toJSON' in value && typeof value.toJSON === 'function') {
    const replaced: unknown = value.toJSON()
    return replaced === value ? undefined : findProblem(replaced, path, ancestors)
  }
  ancestors.push(value)
  try {
    if (Array.isArray(value)) {
      for (let index = 0; index < value.length; index++) {
        const problem = findProblem(value[index], `${path}[${index}]`, ancestors)
        if (problem !== undefined) return problem
      }
      return undefined
    }
    for (const [name, member] of Object.entries(value)) {
      const problem =
        problemOfText(name, path) ?? findProblem(member, path === '' ? name : `${path}.${name}`, ancestors)
      if (problem !== undefined) return problem
    }
    return undefined
  } finally {
    ancestors.pop()
  }
}

function problemOfText(text: string, path: string): string | undefined {
  if (text.includes('\u0000')) return `${place(path)} contains a NUL character, which PostgreSQL cannot store`
  if (!text.isWellFormed()) return `${place(path)} contains half of a surrogate pair, which is not valid Unicode`
  return undefined
}

function place(path: string): string {
  return path === '' ? 'the value' : path
}

/**
 * Decodes JSON from bytes that anybody may have written. An empty body is `null`; `__proto__` members are dropped.
 * Throws `ACUSE_UNDECODABLE` for invalid UTF-8, invalid JSON and nesting beyond 100 levels.
 */
export function decodeJson(body: Uint8Array, subject: string): unknown {
  if (body.byteLength === 0) return null
  if (nestingOf(body) > deepest) {
    throw new AcuseError('ACUSE_UNDECODABLE', `${subject} is nested more than ${deepest} levels deep.`)
  }
  try {
    const text = strictUtf8.decode(body)
    return text.includes('__proto__') ? JSON.parse(text, dropPrototype) : JSON.parse(text)
  } catch (cause) {
    throw new AcuseError('ACUSE_UNDECODABLE', `${subject} is not valid JSON in UTF-8.`, { cause })
  }
}

const strictUtf8 = new TextDecoder('utf-8', { fatal: true })

function dropPrototype(this: unknown, name: string, value: unknown): unknown {
  return name === '__proto__' ? undefined : value
}

const quote = 0x22
const backslash = 0x5c

/** Brackets opened at once, counted outside strings, without building anything: a hostile body costs one pass over its bytes. */
function nestingOf(body: Uint8Array): number {
  let depth = 0
  let deepestSeen = 0
  let inText = false
  for (let index = 0; index < body.length; index++) {
    const byte = body[index]
    if (inText) {
      if (byte === backslash) index++
      else if (byte === quote) inText = false
    } else if (byte === quote) inText = true
    else if (byte === 0x5b || byte === 0x7b) deepestSeen = Math.max(deepestSeen, ++depth)
    else if (byte === 0x5d || byte === 0x7d) depth--
  }
  return deepestSeen
}
