"""Rules of the backward pass: how operations pass back what arrives at them."""

from trulens_core.rules.applied import Applied as Applied
from trulens_core.rules.first import Box as Box
from trulens_core.rules.first import Flat as Flat
from trulens_core.rules.first import WSquare as WSquare
from trulens_core.rules.lift import Rescale as Rescale
from trulens_core.rules.lift import RescaleMax as RescaleMax
from trulens_core.rules.lift import RescalePath as RescalePath
from trulens_core.rules.lift import RescaleProduct as RescaleProduct
from trulens_core.rules.operation import Operation as Operation
from trulens_core.rules.report import Report as Report
from trulens_core.rules.rule import Rule as Rule
from trulens_core.rules.rule import carry as carry
from trulens_core.rules.rule_set import RuleSet as RuleSet
from trulens_core.rules.standard import AlphaBeta as AlphaBeta
from trulens_core.rules.standard import Deconv as Deconv
from trulens_core.rules.standard import Epsilon as Epsilon
from trulens_core.rules.standard import Gamma as Gamma
from trulens_core.rules.standard import Gradient as Gradient
from trulens_core.rules.standard import Guided as Guided
from trulens_core.rules.standard import Identity as Identity
from trulens_core.rules.standard import Numerator as Numerator
from trulens_core.rules.standard import Shared as Shared
from trulens_core.rules.standard import Signal as Signal
from trulens_core.rules.standard import Stop as Stop
from trulens_core.rules.standard import ZPlus as ZPlus
