import { fileURLToPath } from 'node:url'

export type ServiceName = 'gateway' | 'inventory' | 'payments' | 'orders'

/** Where the entry of each service's package is. */
const ENTRIES: Readonly<Record<ServiceName, () => string>> = {
  gateway: () => import.meta.resolve('@acuse-services/gateway'),
  inventory: () => import.meta.resolve('@acuse-services/inventory'),
  payments: () => import.meta.resolve('@acuse-services/payments'),
  orders: () => import.meta.resolve('@acuse-services/orders'),
}

/** Node's arguments that run a service's build, attended by this process. */
export function serviceProgram(service: ServiceName): string[] {
  // The build also where this file is a source: Orders has decorators, which Node runs only once they are compiled.
  const main = new URL('../dist/main.js', ENTRIES[service]())
  return [...attended(), fileURLToPath(main)]
}

/** Node's arguments that let `attend` watch over the program that follows them. */
export function attended(): string[] {
  const source = new URL('./attend.ts', import.meta.url)
  return ['--import', import.meta.url.endsWith('.ts') ? source.href : source.href.replace(/\.ts$/, '.js')]
}
