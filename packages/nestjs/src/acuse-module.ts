import { type Bus, type BusOptions, createBus, type GroupOptions, type Saga } from '@acuse/core'
import { type DynamicModule, type FactoryProvider, Module, type ModuleMetadata, type Provider } from '@nestjs/common'
import { DiscoveryModule, DiscoveryService } from '@nestjs/core'
import { BusStart } from './bus-start.ts'
import { BusStop } from './bus-stop.ts'
import { SagaList } from './saga-list.ts'
import { busToken } from './tokens.ts'

/** What the module adds to the options of a bus. */
export interface AcuseModuleExtras {
  /** Tells several buses of an application apart: `@InjectBus(name)`, `@Group({ bus: name })`. Default: none. */
  readonly name?: string
  /** Whether every module may inject the bus. Default true; it then starts before any other module bootstraps. */
  readonly isGlobal?: boolean
  /** How long handlers may take to finish when the application shuts down, ms. Default 30,000. */
  readonly drainDeadlineMs?: number
}

export interface AcuseModuleOptions<Tx> extends AcuseModuleExtras, BusOptions<Tx> {}

export interface AcuseModuleAsyncOptions<Tx> extends AcuseModuleExtras {
  /** Modules whose providers `inject` names. */
  readonly imports?: ModuleMetadata['imports']
  readonly inject?: FactoryProvider['inject']
  readonly useFactory: (...injected: never[]) => BusOptions<Tx> | Promise<BusOptions<Tx>>
}

export interface AcuseFeatureOptions<States extends readonly unknown[]> {
  /** Each runs in a group named `saga.<name>`. */
  readonly sagas: { readonly [Index in keyof States]: Saga<States[Index]> }
  /** The name of the bus that runs them. Default: the one without a name. */
  readonly bus?: string
  /** For the groups of all these sagas. Default: those of any group. */
  readonly options?: GroupOptions
}

/**
 * A bus in a Nest application. Handlers are methods of providers (`@Group`, `@On`); sagas are given to `forFeature`.
 *
 * They are declared when all modules are initialised, and the bus starts when the application bootstraps. It drains in
 * `onApplicationShutdown`, when the HTTP server has answered its last request; call `app.enableShutdownHooks()`, or `app.close()`.
 * What handlers use (a pool, a client) is closed in that hook too, not in an earlier one, and in a module that `forRootAsync` imports
 * or that is imported before this one: Nest shuts modules down in reverse order.
 */
@Module({})
export class AcuseModule {
  /** A bus whose options are known now. */
  static forRoot<Tx>({ name, isGlobal, drainDeadlineMs, ...options }: AcuseModuleOptions<Tx>): DynamicModule {
    const bus = { provide: busToken(name), useFactory: (): Bus<Tx> => createBus(options) }
    return withBus({ name, isGlobal, drainDeadlineMs }, bus, [])
  }

  /** A bus whose options depend on other providers: a configuration, a data source. */
  static forRootAsync<Tx>(options: AcuseModuleAsyncOptions<Tx>): DynamicModule {
    const { name, isGlobal, drainDeadlineMs, imports = [], inject = [], useFactory } = options
    const bus = {
      provide: busToken(name),
      inject,
      // Nest injects what `inject` names, which nothing but the factory knows the types of.
      useFactory: async (...injected: never[]): Promise<Bus<Tx>> => createBus(await useFactory(...injected)),
    }
    return withBus({ name, isGlobal, drainDeadlineMs }, bus, imports)
  }

  /** Sagas of a feature module. */
  static forFeature<const States extends readonly unknown[]>({
    sagas,
    bus,
    options = {},
  }: AcuseFeatureOptions<States>): DynamicModule {
    const list = new SagaList({ sagas, bus, options })
    return { module: AcuseModule, providers: [{ provide: SagaList, useValue: list }] }
  }
}

/**
 * The bus and its start. Where it is global, Nest initialises it before every other module, so that all of them may publish from
 * `onApplicationBootstrap` on; for the same reason it would be the last to shut down, so the stop is not in here.
 */
@Module({})
class BusModule {}

type Given<Options> = { readonly [Key in keyof Options]: Options[Key] | undefined }

function withBus(
  { name, isGlobal = true, drainDeadlineMs }: Given<AcuseModuleExtras>,
  bus: FactoryProvider,
  imports: NonNullable<ModuleMetadata['imports']>,
): DynamicModule {
  const start: Provider = {
    provide: BusStart,
    inject: [busToken(name), DiscoveryService],
    useFactory: (one: Bus<unknown>, discovery: DiscoveryService) => new BusStart(name, one, discovery),
  }
  const stop: Provider = {
    provide: BusStop,
    inject: [busToken(name)],
    useFactory: (one: Bus<unknown>) => new BusStop(one, drainDeadlineMs),
  }
  const started: DynamicModule = {
    module: BusModule,
    global: isGlobal,
    imports: [DiscoveryModule, ...imports],
    providers: [bus, start],
    exports: [busToken(name)],
  }
  return { module: AcuseModule, imports: [started], providers: [stop], exports: [started] }
}
