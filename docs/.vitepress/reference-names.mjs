import { ReflectionKind } from 'typedoc';

/**
 * `src/index.ts` is `rxpool` to its users; the others are called by their folder. Constructors of errors are left
 * out: nobody but the pool makes them.
 */
export function load(application) {
  application.converter.on('resolveBegin', ({ project }) => {
    for (const module of project.getChildrenByKind(ReflectionKind.Module)) {
      if (module.name === 'index') module.name = 'rxpool';
    }
    for (const constructor of project.getReflectionsByKind(ReflectionKind.Constructor)) {
      if (constructor.parent?.name.endsWith('Error')) project.removeReflection(constructor);
    }
  });
}
