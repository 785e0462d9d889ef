import type { Shape } from '../shape';
import { betterAuthShapes } from './better-auth';
import { canailleShapes } from './canaille';
import { djangoShapes } from './django';
import { lemonldapShapes } from './lemonldap';
import { panva } from './oidc-provider';

/** All shapes, in the order of the table. Each hides the type of its provider. */
export const shapes: Shape<any>[] = [...panva, ...canailleShapes, ...lemonldapShapes, ...djangoShapes, ...betterAuthShapes];
