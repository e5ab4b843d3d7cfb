import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { fileURLToPath } from 'node:url'
import { expect, test, vi } from 'vitest'
import { until } from '../src/waiting.ts'
import { processesIn, temporaryFolder } from './support.ts'

vi.setConfig({ testTimeout: 120_000 })

const servers = fileURLToPath(new URL('../src/index.ts', import.meta.url))

test('a server and all that it started end with the process that started it, when that is killed', async () => {
  const parent = await temporaryFolder()
  const program = `
    const { startRabbitMq } = await import(${JSON.stringify(servers)})
    const server = await startRabbitMq({ release: '4.0', parent: ${JSON.stringify(parent)} })
    console.log(server.pid)
    setInterval(() => undefined, 60_000)`
  const owner = spawn(process.execPath, ['--input-type=module', '--eval', program], {
    stdio: ['ignore', 'pipe', 'inherit'],
  })
  const [pid] = (await once(owner.stdout, 'data')) as [Buffer]
  expect(processesIn(parent)).toContain(Number(pid.toString()))
  owner.kill('SIGKILL')
  expect(await until(() => processesIn(parent).length === 0, 10_000)).toBe(true)
})
