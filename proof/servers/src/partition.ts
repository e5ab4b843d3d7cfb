import { spawn, type ChildProcess } from 'node:child_process'
import { once } from 'node:events'
import { rootOf } from './debian/suites.ts'

const timeoutMs = 10_000

/** What has to be known of a node: whose packets are its own, and where it listens for the others. */
export interface Peer {
  readonly user: number
  readonly peerPorts: readonly number[]
}

let count = 0

/**
 * A break of the network between one node and others, made by a table of nftables that belongs to a process of its own: however this
 * process ends, that one ends with it, and the kernel deletes its table.
 */
export class Partition implements AsyncDisposable {
  readonly #nft: ChildProcess

  private constructor(nft: ChildProcess) {
    this.#nft = nft
  }

  /** @throws Error with what nftables says where it cannot be made. */
  static async between(node: Peer, others: readonly Peer[]): Promise<Partition> {
    const nft = spawn(
      'setpriv',
      ['--pdeathsig', 'KILL', 'chroot', rootOf('trixie'), '/usr/sbin/nft', '--interactive'],
      {
        stdio: ['pipe', 'pipe', 'pipe'],
      },
    )
    const table = `inet acuse_${process.pid}_${count++}`
    const partition = new Partition(nft)
    try {
      await told(nft, [...commandsOf(table, node, others), `list table ${table}`].join('\n'))
      return partition
    } catch (error) {
      await partition[Symbol.asyncDispose]()
      throw error
    }
  }

  /** The network is whole again. */
  async [Symbol.asyncDispose](): Promise<void> {
    const { pid, exitCode, signalCode } = this.#nft
    if (pid === undefined || exitCode !== null || signalCode !== null) return
    const gone = once(this.#nft, 'exit')
    this.#nft.kill('SIGKILL')
    await gone
  }
}

/**
 * On loopback all nodes have one address, and a packet shows only the port of whoever listens. So what the node itself sends is known by
 * its user, and what the others send by the ports it listens on; their answers on connections that it made go unacknowledged.
 */
function commandsOf(table: string, node: Peer, others: readonly Peer[]): readonly string[] {
  const own = node.peerPorts.join(', ')
  const theirs = others.flatMap(({ peerPorts }) => peerPorts).join(', ')
  const rule = `add rule ${table} out`
  return [
    `add table ${table} { flags owner; }`,
    `add chain ${table} out { type filter hook output priority 0; policy accept; }`,
    `${rule} meta skuid ${node.user} tcp dport { ${theirs} } drop`,
    `${rule} meta skuid ${node.user} tcp sport { ${own} } drop`,
    `${rule} tcp dport { ${own} } drop`,
  ]
}

/** Gives it the commands, and waits until it has listed what they made. */
async function told(nft: ChildProcess, commands: string): Promise<void> {
  const { stdin, stdout, stderr } = nft
  if (stdin === null || stdout === null || stderr === null) throw new Error('nft has no pipes.')
  const listed = Promise.withResolvers<void>()
  const fail = (why: string): void =>
    listed.reject(new Error(`The network could not be broken by nftables: ${why.trim()}`))
  let text = ''
  stdout.setEncoding('utf8').on('data', (more: string) => {
    text += more
    // All of it ends with the last of the three rules.
    if ((text.match(/drop/g) ?? []).length === 3) listed.resolve()
  })
  stderr.setEncoding('utf8').on('data', fail)
  nft.once('error', (error) => fail(error.message))
  nft.once('exit', (code) => fail(`it ended with code ${code}`))
  stdin.on('error', (error) => fail(error.message))
  stdin.write(`${commands}\n`)
  const timer = setTimeout(() => fail(`it was not done within ${timeoutMs} ms`), timeoutMs)
  await listed.promise.finally(() => clearTimeout(timer))
}
