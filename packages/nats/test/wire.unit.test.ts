import type { WireMessage } from '@acuse/core'
import { describe, expect, it } from 'vitest'
import { filterOf, subjectOf } from '../src/topology.ts'
import { headersOf, payloadBytes, wireMessageOf } from '../src/wire.ts'

function there(message: WireMessage): WireMessage {
  return wireMessageOf({
    subject: subjectOf(message.stream, 3, message.priority, message.type),
    headers: headersOf(message),
    body: message.body,
    sequence: 1,
    takenAt: '1',
  })
}

const sent: WireMessage = {
  id: 'id with % and \r\n and blanks ',
  type: 'a..b.',
  stream: 's.t-u_v',
  key: ' key: \u00a0',
  priority: 'critical',
  headers: {
    'ce-subject': '100%25 %',
    'Nats-Rollup': 'all',
    'nats-msg-id': 'not ours',
    'acuse-key': 'nor this',
    'with: colon': '1',
    empty: '',
  },
  body: Uint8Array.of(1, 2, 3),
}

describe('a message', () => {
  it('comes out as it went in, whatever its texts hold', () => {
    expect(there(sent)).toEqual(sent)
    expect(there({ ...sent, key: null }).key).toBe(null)
  })

  it('gives the server no headers to heed but its id', () => {
    const names = headersOf(sent)
      .keys()
      .filter((name) => /^nats-/i.test(name))
    expect(names).toEqual(['Nats-Msg-Id'])
  })

  it('counts with its headers for how large it is', () => {
    // NATS/1.0␍␊ Nats-Msg-Id: 1␍␊ ␍␊
    const bytes = payloadBytes(headersOf({ ...sent, id: '1', key: null, headers: {} }), sent.body)
    expect(bytes).toBe(10 + 16 + 2 + 3)
  })

  it('of somebody else keeps what looks escaped and is not', () => {
    const headers = headersOf({ ...sent, headers: {} })
    headers.set('theirs', '50%ff %zz')
    const came = wireMessageOf({ subject: 'acuse.s.0.normal.t', headers, body: sent.body, sequence: 1, takenAt: '1' })
    expect(came.headers).toEqual({ theirs: '50%ff %zz' })
  })
})

describe('subjects', () => {
  it('have one token for each part, whatever dots its name has', () => {
    expect(subjectOf('a.b', 3, 'high', 'c..d')).toBe('acuse.a=b.3.high.c==d')
  })

  it('are filtered by type where only one is asked for', () => {
    expect(filterOf('s', 1, 'all', 'all')).toBe('acuse.s.1.*.>')
    expect(filterOf('s.t', 1, 'high', ['a.b'])).toBe('acuse.s=t.1.high.a=b')
    expect(filterOf('s', 1, 'all', ['a', 'b'])).toBe('acuse.s.1.*.>')
  })
})
