import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { createInterface } from 'node:readline'
import { fileURLToPath } from 'node:url'

const program = fileURLToPath(new URL('../../gateway/src/main.ts', import.meta.url))

/** What the gateway's ledger says, as far as these tests ask. */
export interface Ledger {
  readonly charges: readonly { readonly key: string; readonly orderId: string; readonly amountCents: number }[]
  readonly refunds: readonly { readonly key: string; readonly orderId: string; readonly amountCents: number }[]
  readonly totals: { readonly chargedCents: number; readonly refundedCents: number }
  readonly doubleCharges: readonly unknown[]
}

export interface GatewayProcess {
  readonly url: string
  behave(behaviour: object): Promise<void>
  ledger(): Promise<Ledger>
  kill(): Promise<void>
}

/** A gateway in a process of its own, as it is in production. */
export async function startGateway(): Promise<GatewayProcess> {
  const folder = await mkdtemp(join(tmpdir(), 'gateway-'))
  const child = spawn(process.execPath, [program], {
    env: { PATH: process.env['PATH'], PORT: '0', JOURNAL: join(folder, 'journal.jsonl'), SEED: '7' },
    stdio: ['ignore', 'pipe', 'inherit'],
  })
  const url = await new Promise<string>((resolve, reject) => {
    createInterface({ input: child.stdout })
      .on('line', (line) => {
        const found = /listening at (http:\S+?)"/.exec(line)?.[1]
        if (found !== undefined) resolve(found)
      })
      .on('close', () => reject(new Error('the gateway ended before it listened')))
  })
  return {
    url,
    async behave(behaviour) {
      const headers = { 'content-type': 'application/json' }
      await fetch(`${url}/behaviour`, { method: 'PUT', headers, body: JSON.stringify(behaviour) })
    },
    ledger: async () => (await (await fetch(`${url}/ledger`)).json()) as Ledger,
    async kill() {
      const exited = once(child, 'exit')
      if (child.kill('SIGKILL')) await exited
      await rm(folder, { recursive: true, force: true })
    },
  }
}
