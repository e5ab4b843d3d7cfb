import { describe, expect, test } from 'vitest'
import { newFolder, Server, type ServerKind } from '../src/server.ts'

/** A program that ends its first starts with this word, and then is ready. */
function failing(starts: number, word: string): ServerKind {
  const script = `echo >> starts
    if [ "$(wc -l < starts)" -le ${starts} ]; then echo ${word}; exit 1; fi
    echo ready; exec sleep 600`
  return {
    name: 'a program',
    port: 1,
    url: '',
    root: '/',
    command: ['/bin/sh', '-c', `cd /mnt/data; ${script}`],
    files: {},
    ready: async (log) => await (log.includes('ready') ? Promise.resolve('1') : Promise.reject(new Error('not yet'))),
    failedForNow: (log) => log.includes('early'),
  }
}

describe('a server that ends while it starts', () => {
  test('is started again where it says that it came too early', async () => {
    await using server = new Server(failing(2, 'early'), await newFolder('program', {}), {})
    await server.start()
    expect(server.isUp).toBe(true)
    expect(server.version).toBe('1')
  })

  test('is given up after three starts', async () => {
    await using server = new Server(failing(3, 'early'), await newFolder('program', {}), {})
    await expect(server.start()).rejects.toThrow(/a program ended while it started. Its log ends:\nearly/)
    expect(server.isUp).toBe(false)
  })

  test('is not started again for any other reason', async () => {
    await using server = new Server(failing(1, 'broken'), await newFolder('program', {}), {})
    await expect(server.start()).rejects.toThrow(/Its log ends:\nbroken/)
  })
})
