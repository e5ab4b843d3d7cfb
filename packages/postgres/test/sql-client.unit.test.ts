import { readFileSync } from 'node:fs'
import { expect, it } from 'vitest'

it('the port that an adapter implements has at most three methods', () => {
  const source = readFileSync(new URL('../src/sql-client.ts', import.meta.url), 'utf8')
  const [, port] = source.split('export interface SqlClient<Tx> {')
  const methods = (port ?? '').match(/^ {2}\w+(<[^>]+>)?\(/gm) ?? []
  expect(methods.map((method) => method.replace(/[<(].*$/, '').trim())).toEqual([
    'transaction',
    'query',
    'isTransaction',
  ])
})
