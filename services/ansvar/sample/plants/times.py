"""When events are said to have happened: rules on the recording, which fire only where they are."""

from __future__ import annotations

from datetime import timedelta

from ansvar.sample.plants.registry import plant
from ansvar.sample.plants.setting import customer
from ansvar.sample.scene import CONTRACT, DUTY, LATE, Scene


@plant(live=("event.future", "event.future"))
def a_clock_two_years_ahead(scene: Scene) -> None:
    """An alarm centre's clock was set wrong: what it reports has not happened yet when it is recorded."""
    who, day = customer(scene)
    for later in (0, 3):
        scene.processing(
            scene.office(day + 730 + later), who, "use", "alarm_centre", CONTRACT, ("name",),
            late=-timedelta(days=730), live=("event.future",),
        )  # fmt: skip


@plant(live=LATE)
def a_binder_in_the_cellar(scene: Scene) -> None:
    """Vouchers that were stored long before the year, entered when somebody found them."""
    who = scene.people.customer(scene.dice)
    at = scene.office(-scene.dice.between(60, 200))
    with scene.reported(scene.office(scene.dice.between(3, 300))):
        scene.processing(at, who, "store", "billing", DUTY, ("bank_account", "payment_history"))
