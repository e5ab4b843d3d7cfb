import { existsSync } from 'node:fs'
import { mkdir, readdir, readFile, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { expect, onTestFinished, test, vi } from 'vitest'
import { run } from '../src/commands.ts'
import { proxyVariables } from '../src/debian/mirror.ts'
import { packagesOf, rootOf, type Suite } from '../src/debian/suites.ts'
import { makeWhole } from '../src/make-whole.ts'
import { startRedis } from '../src/redis.ts'
import { temporaryFolder } from './support.ts'

const prepare = fileURLToPath(new URL('../src/prepare.ts', import.meta.url))

async function emptyCache(): Promise<string> {
  const folder = await temporaryFolder()
  vi.stubEnv('ACUSE_SERVERS_DIR', folder)
  onTestFinished(() => void vi.unstubAllEnvs())
  return folder
}

test('what two ask for at once is made once, and the other waits for it', async () => {
  const cache = await emptyCache()
  const made: string[] = []
  const ask = async (who: string): Promise<string> => {
    await makeWhole(
      'thing',
      () => undefined,
      async (folder) => {
        made.push(who)
        await writeFile(join(folder, 'content'), who)
      },
    )
    return await readFile(join(cache, 'thing/content'), 'utf8')
  }
  const [one, other] = await Promise.all([ask('one'), ask('other')])
  expect(made).toHaveLength(1)
  expect([one, other]).toEqual([made[0], made[0]])
})

test('what was interrupted is made again, and what fails leaves nothing', async () => {
  const cache = await emptyCache()
  await mkdir(join(cache, 'thing.part'))
  await writeFile(join(cache, 'thing.part/half'), '')
  const failing = makeWhole(
    'thing',
    () => undefined,
    async (folder) => {
      expect(await readdir(folder)).toEqual([])
      throw new Error('The disk is full.')
    },
  )
  await expect(failing).rejects.toThrow('The disk is full.')
  expect(await readdir(cache)).toEqual(['thing.lock'])

  await makeWhole(
    'thing',
    () => undefined,
    async () => await Promise.resolve(),
  )
  expect(existsSync(join(cache, 'thing'))).toBe(true)
})

test('downloads take the proxy that apt is configured with', async () => {
  const file = join(await temporaryFolder(), 'apt.conf')
  await writeFile(file, 'Acquire::http::Proxy "http://proxy.example:3128"; Acquire::https::Proxy "DIRECT";')
  vi.stubEnv('APT_CONFIG', file)
  onTestFinished(() => void vi.unstubAllEnvs())
  expect(await proxyVariables()).toEqual({ http_proxy: 'http://proxy.example:3128' })
})

test('a server that is not installed says what to do', async () => {
  const cache = await emptyCache()
  await expect(startRedis({ release: '8.0' })).rejects.toThrow(
    new RegExp(`redis-server.* is not installed: there is no ${cache}.* Run "npm run servers" first`),
  )
})

test.each(Object.keys(packagesOf) as Suite[])(
  'in the root of %s names are looked up in a file alone',
  async (suite) => {
    const chroot = ['chroot', rootOf(suite), 'getent']
    expect(await run([...chroot, 'ahostsv4', 'localhost'], { timeoutMs: 10_000 })).toMatch(/^127\.0\.0\.1 /)
    expect(await readFile(join(rootOf(suite), 'etc/nsswitch.conf'), 'utf8')).toMatch(/^hosts: files$/m)
    expect(existsSync(join(rootOf(suite), 'etc/resolv.conf'))).toBe(false)
  },
)

test('where all servers are installed, the command says so in one line, or as JSON', async () => {
  const command = [process.execPath, prepare]
  const said = await run(command, { timeoutMs: 10_000 })
  expect(said).toMatch(/^Servers for the tests are in .*\.\n$/)
  const { folder, installed, made } = JSON.parse(await run([...command, '--json'], { timeoutMs: 10_000 })) as {
    readonly folder: string
    readonly installed: readonly { readonly folder: string }[]
    readonly made: readonly string[]
  }
  expect(made).toEqual([])
  expect(installed.length).toBeGreaterThanOrEqual(4)
  for (const item of installed) expect(item.folder.startsWith(folder) && existsSync(item.folder)).toBe(true)
})
