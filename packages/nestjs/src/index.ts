export {
  type AcuseFeatureOptions,
  AcuseModule,
  type AcuseModuleAsyncOptions,
  type AcuseModuleExtras,
  type AcuseModuleOptions,
} from './acuse-module.ts'
export { Group, type HandlerGroupOptions } from './group-decorator.ts'
export { type HandlerDecorator, On, OnBatch, OnExternal } from './handler-decorators.ts'
export { busToken, InjectBus } from './tokens.ts'
