import { expect, test } from 'vitest'

import { readyUrl } from '../../src/processes/ready-line.ts'

test('the line that says a service is ready gives its address', () => {
  expect(readyUrl('{"ready":"orders","url":"http://127.0.0.1:4001"}')).toBe('http://127.0.0.1:4001')
})

test.each(['', 'ready', '{"ready":"orders"}', '{"ready":"orders","url":1}', '{"ready":', '{"level":30,"msg":"ready"}'])(
  '%j is no such line',
  (line) => {
    expect(readyUrl(line)).toBeUndefined()
  },
)
