import { describe, expect, it } from 'vitest'
import { assertDurableCommit, assertSafe, type ServerSettings } from '../src/settings.ts'

const safe: ServerSettings = {
  version: 180_004,
  version_text: '18.4',
  fsync: 'on',
  full_page_writes: 'on',
  synchronous_commit: 'on',
  server_encoding: 'UTF8',
  in_recovery: false,
  read_only: 'off',
}

const refused = (message: RegExp): object =>
  expect.objectContaining({ code: 'ACUSE_UNSAFE_SETTING', message: expect.stringMatching(message) })

describe('the server’s settings', () => {
  it.each(['on', 'local', 'remote_write', 'remote_apply'])(
    'are safe with synchronous_commit %s',
    (synchronous_commit) => {
      expect(() => assertSafe({ ...safe, synchronous_commit }, [])).not.toThrow()
      expect(() => assertDurableCommit(synchronous_commit, [])).not.toThrow()
    },
  )

  it.each([
    ['fsync', { fsync: 'off' }, /fsync is off: a power failure .* Mend it with: alter system set fsync = on/],
    ['full_page_writes', { full_page_writes: 'off' }, /full_page_writes is off: .* Mend it with: alter system/],
    ['synchronous_commit', { synchronous_commit: 'off' }, /synchronous_commit is off .* Mend it with: alter role/],
    ['server_version', { version: 130_020, version_text: '13.20' }, /is PostgreSQL 13\.20: .* 14 and later/],
    ['server_encoding', { server_encoding: 'SQL_ASCII' }, /encoded in SQL_ASCII/],
  ] as const)('are refused for %s, naming danger and cure, unless it is allowed', (setting, change, message) => {
    expect(() => assertSafe({ ...safe, ...change }, [])).toThrow(refused(message))
    expect(() => assertSafe({ ...safe, ...change }, [])).toThrow(refused(new RegExp(`allowUnsafe: \\['${setting}'\\]`)))
    expect(() => assertSafe({ ...safe, ...change }, [setting])).not.toThrow()
  })

  it('are refused for all that is wrong at once, but for what is allowed', () => {
    const server = { ...safe, fsync: 'off', full_page_writes: 'off' }
    expect(() => assertSafe(server, [])).toThrow(refused(/^fsync is off(.|\n)*^full_page_writes is off/m))
    expect(() => assertSafe(server, ['fsync'])).toThrow(refused(/^full_page_writes is off/))
  })

  it('do not matter where nothing can be written', () => {
    for (const change of [{ in_recovery: true }, { read_only: 'on' }]) {
      expect(() => assertSafe({ ...safe, fsync: 'off', ...change }, ['fsync'])).toThrow(
        expect.objectContaining({ code: 'ACUSE_READ_ONLY' }),
      )
    }
  })
})
