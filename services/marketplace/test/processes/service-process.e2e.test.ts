import { eventually } from '@acuse/testing'
import { expect, test } from 'vitest'

import { isAlive, logOf, pidBehind, tinyProcess, tinyService } from './tiny.ts'

test('it is up once the process serves, and again on the same address after it was killed', async () => {
  const service = await tinyProcess()
  expect(service.state).toBe('down')
  await service.start()
  const first = await pidBehind(service.url)
  expect(service).toMatchObject({ state: 'up', pid: first })
  await service.kill()
  expect(service).toMatchObject({ state: 'down', pid: undefined })
  expect(isAlive(first)).toBe(false)
  await service.start()
  const second = await pidBehind(service.url)
  expect(second).not.toBe(first)
  await service.kill()
  const log = await logOf(service)
  expect(log).toContain(`started ${first}`)
  expect(log).toContain(`started ${second}`)
  expect(log).toContain('a line before')
})

test('asked to end it drains, and says so; one that does not is killed', async () => {
  const drains = await tinyProcess({ DRAIN_MS: '100' })
  await drains.start()
  expect(await drains.stop(10_000)).toBe(true)
  expect(await drains.stop(10_000)).toBe(true)

  const stays = await tinyProcess({ FAIL: 'to end' })
  await stays.start()
  const { pid } = stays
  expect(await stays.stop(200)).toBe(false)
  expect(isAlive(Number(pid))).toBe(false)
})

test('a frozen one does not answer, is the same when it is thawed, and can still be asked to end', async () => {
  const service = await tinyProcess()
  await service.start()
  const pid = await pidBehind(service.url)
  service.freeze()
  await expect(fetch(service.url, { signal: AbortSignal.timeout(300) })).rejects.toThrow(/timeout/)
  service.thaw()
  expect(await pidBehind(service.url)).toBe(pid)
  service.freeze()
  expect(await service.stop(10_000)).toBe(true)
})

test.each([
  ['at once', 20_000, 'tiny ended with code 3 before it served; its log is '],
  ['silently', 700, 'tiny did not serve within 700 ms; its log is '],
])('a process that fails %s is told of, with its log', async (fail, startTimeoutMs, message) => {
  const service = await tinyProcess({ FAIL: fail }, { startTimeoutMs })
  await expect(service.start()).rejects.toThrow(`${message}${service.log}`)
  expect(service).toMatchObject({ state: 'down', pid: undefined })
})

test('a program that is not there fails like any other', async () => {
  const service = await tinyProcess({}, { program: ['/no/such/program.js'] })
  await expect(service.start()).rejects.toThrow('tiny ended with code 1 before it served')
})

test('a service that ends by itself is brought back, and noted', async () => {
  const { service, notes } = await tinyService('tiny')
  await service.start()
  const first = await pidBehind(service.url)
  await expect(fetch(`${service.url}/crash`)).rejects.toThrow('fetch failed')
  const second = await eventually(async () => {
    const pid = await pidBehind(service.url)
    expect(pid).not.toBe(first)
    return pid
  })
  expect(isAlive(second)).toBe(true)
  expect(notes).toEqual([expect.stringMatching(/^tiny ended by itself \(code 7\) and is started again; its log is /)])
})

test('one that was killed or asked to end stays away', async () => {
  const { service, notes } = await tinyService('tiny')
  await service.start()
  await service.kill()
  await service.start()
  expect(await service.stop(5_000)).toBe(true)
  expect(service.state).toBe('down')
  expect(notes).toEqual([])
})
